package vfs

// Untrusted names a file system by its magic number if its locks may not hold.
var Untrusted = untrusted
