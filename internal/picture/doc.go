// Package picture tells what a picture is, and makes small ones of large ones.
//
// The format is told by content, never by a name: JPEG, PNG, GIF (its first frame), BMP, WebP, TIFF and the PBM, PGM and
// PPM of Netpbm. Content may be hostile: no function needs more than [Limit] allows, whatever a header claims, and a
// decoder that fails is an error. All functions are safe for concurrent use.
package picture
