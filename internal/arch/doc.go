// Package arch holds the tests of what the packages may import and do. It has no code of its own.
package arch
