// Package web tests the page of shardfs view in a browser: Chromium, driven through its debugging protocol.
//
// It is a module of its own, so that nothing else here has the protocol among its modules. Its tests build and start the
// program, and look at the page as a user does: at what elements say, and what keys and the pointer do. Screens are
// compared with those in testdata roughly, as fonts differ between machines.
package web
