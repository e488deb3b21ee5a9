// Package child runs the servers of tests, benchmarks and the demo as processes that end
// with their parent, however that ends, and keeps the end of their logs for an error.
// Nothing of the gateway itself uses it.
package child

import (
	"os/exec"
	"runtime"
	"syscall"
)

// DieWithParent makes the kernel kill the command when the thread that started
// it ends, so that a killed test leaves no server behind. It keeps what else
// cmd.SysProcAttr says. The command is then to be started by Run, Output or Start: an
// ordinary thread of Go's may end at any time.
func DieWithParent(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
}

// Run runs the command on a thread of its own: the kernel sends the signal of
// DieWithParent when that thread ends, not when the process does, and Go ends a thread
// only when a goroutine that is locked to it ends.
func Run(cmd *exec.Cmd) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return cmd.Run()
}

// Output runs the command as Run does, and returns what it printed on both outputs.
func Output(cmd *exec.Cmd) ([]byte, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return cmd.CombinedOutput()
}

// Start starts the command as Run does. The channel started gets the result
// of the start; after a good one, exited gets that of the wait. Neither has to be read.
func Start(cmd *exec.Cmd) (started, exited <-chan error) {
	start, exit := make(chan error, 1), make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		start <- err
		if err == nil {
			exit <- cmd.Wait()
		}
		close(exit)
	}()
	return start, exit
}
