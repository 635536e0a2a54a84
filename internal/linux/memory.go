package linux

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// PageSize is the size of the pieces ReadPages reads, in bytes. Where the
// kernel's own pages are larger, these are parts of them.
const PageSize = 4096

// MaxPages is the most pages one ReadPages takes (IOV_MAX of readv(2)).
const MaxPages = 1024

// ReadPages copies pages of another process's memory into pages with one
// process_vm_readv(2), and returns how many came whole. The other process is
// neither stopped nor told. It needs the right to trace it (ptrace(2),
// PTRACE_MODE_ATTACH_REALCREDS): root has it, a user has it over processes of
// the same user where Yama allows it. EFAULT, with no page read, means that
// nothing is mapped at the first address.
//
// It waits for the memory lock of the process and, where a page is not in
// memory, for the file system it comes from: call it in a disposable child
// only.
func ReadPages(pid int, addresses []uint64, pages []*[PageSize]byte) (int, error) {
	n := min(len(addresses), len(pages), MaxPages)
	if n == 0 {
		return 0, nil
	}
	local, remote := make([]unix.Iovec, n), make([]unix.RemoteIovec, n)
	for i := range n {
		local[i] = unix.Iovec{Base: &pages[i][0], Len: PageSize}
		remote[i] = unix.RemoteIovec{Base: uintptr(addresses[i]), Len: PageSize}
	}
	got, err := again(func() (int, error) { return unix.ProcessVMReadv(pid, local, remote, 0) })
	if err != nil {
		return 0, fmt.Errorf("process_vm_readv of %d at %#x: %w", pid, addresses[0], err)
	}
	return got / PageSize, nil
}
