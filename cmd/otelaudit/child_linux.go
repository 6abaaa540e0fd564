package main

import (
	"runtime"
	"syscall"
)

// endWithGuard makes the kernel end the command if guard is killed: nobody
// would stop it any more. The kernel takes the death of the thread that starts
// it for that of the process, so the calling goroutine keeps its thread.
func endWithGuard(attr *syscall.SysProcAttr) {
	runtime.LockOSThread()
	attr.Pdeathsig = syscall.SIGTERM
}
