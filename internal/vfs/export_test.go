package vfs

// RenameChecked is what renames without replacing where the system call does
// not know how.
var RenameChecked = renameChecked
