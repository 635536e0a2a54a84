package machine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// ErrLost says that a machine never came to the end of its tests: it did not
// boot, its kernel died, or its time was over.
var ErrLost = errors.New("the machine was lost")

// accelerator returns qemu's options for the processor. Hardware is used only
// after a kernel was seen to boot on it: /dev/kvm may be there and not work.
// Emulated processors take turns on one thread, because the guest's kernel
// patches its own code while it boots, and an emulated processor on another
// thread may run what is half written.
func (i Image) accelerator(ctx context.Context) []string {
	emulated := []string{"-accel", "tcg,thread=single,tb-size=512", "-cpu", "max"}
	if _, err := os.Stat("/dev/kvm"); err != nil {
		return emulated
	}
	hardware := []string{"-accel", "kvm", "-cpu", "host"}
	if probed.do(func() bool { return i.boots(ctx, hardware) }) {
		return hardware
	}
	return emulated
}

// probed remembers for this run whether hardware virtualisation works.
var probed probe

type probe struct {
	once sync.Once
	good bool
}

func (p *probe) do(try func() bool) bool {
	p.once.Do(func() { p.good = try() })
	return p.good
}

// boots says whether the kernel comes as far as looking for a root that is
// not there.
func (i Image) boots(ctx context.Context, processor []string) bool {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	args := append([]string{
		"-machine", "q35", "-m", "512", "-smp", "2", "-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio",
		"-kernel", i.Dir + "/vmlinuz", "-append", "console=ttyS0 panic=-1 root=PARTLABEL=none",
	}, processor...)
	out, _ := exec.CommandContext(ctx, "qemu-system-x86_64", args...).CombinedOutput()
	return strings.Contains(string(out), "Unable to mount root fs")
}

// words are the kernel's command line.
const words = "root=PARTLABEL=lastcall-root rootwait rw console=ttyS0 quiet nokaslr mitigations=off " +
	"apparmor=0 selinux=0 audit=0 panic=-1 systemd.show_status=0 TERM=dumb systemd.tty.term.console=dumb"

// guestMemory is what a guest has, in MiB.
const guestMemory = 2048

// qemu prepares a machine: the image as its first disk, which no write
// reaches, and input as its second.
func (i Image) qemu(ctx context.Context, input, more string) *exec.Cmd {
	args := append([]string{
		"-n", "5", "qemu-system-x86_64", "-machine", "q35", "-smp", "2", "-m", strconv.Itoa(guestMemory),
		"-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio", "-device", "nvme,id=nv,serial=lastcall",
		"-drive", "if=none,id=root,format=raw,snapshot=on,file=" + i.Dir + "/root.img", "-device", "nvme-ns,drive=root,bus=nv,nsid=1",
		"-drive", "if=none,id=in,format=raw,cache=unsafe,file=" + input, "-device", "nvme-ns,drive=in,bus=nv,nsid=2",
		"-kernel", i.Dir + "/vmlinuz", "-append", words + " " + more,
	}, i.accelerator(ctx)...)
	return exec.CommandContext(ctx, "nice", args...)
}

// Run boots the machine, lets the tests of in run in it, and puts what they
// left into out. The first result is theirs: did all pass? An error means
// that they never came to an end; a lost machine is tried once more.
func (i Image) Run(ctx context.Context, in Input, settings Settings, out string, limit time.Duration, console io.Writer) (bool, error) {
	for attempt := 1; ; attempt++ {
		passed, err := i.runOnce(ctx, in, settings, out, limit, console)
		if !errors.Is(err, ErrLost) || attempt == 2 || ctx.Err() != nil {
			return passed, err
		}
		fmt.Fprintf(console, "%v; once more\n", err)
	}
}

func (i Image) runOnce(ctx context.Context, in Input, settings Settings, out string, limit time.Duration, console io.Writer) (bool, error) {
	work, err := os.MkdirTemp("", "lastcall-machine-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(work)
	disk := work + "/in.img"
	if err := inputDisk(ctx, in, settings, work, disk); err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	log, err := os.Create(work + "/console")
	if err != nil {
		return false, err
	}
	defer log.Close()
	machine := i.qemu(ctx, disk, "")
	machine.Stdout, machine.Stderr = io.MultiWriter(log, console), log
	// Ctrl-C in the terminal is for this program, which then ends the machine.
	machine.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	machineErr := machine.Run()
	return collect(work, disk, out, machineErr)
}

// inputDisk makes the second disk. mke2fs fills it, and debugfs reads it
// afterwards: nothing is mounted on this host.
func inputDisk(ctx context.Context, in Input, settings Settings, work, disk string) error {
	folder := work + "/in"
	if err := in.copyFor(folder, settings); err != nil {
		return err
	}
	if _, err := command(ctx, "truncate", "-s", "512M", disk); err != nil {
		return err
	}
	if _, err := command(ctx, "mke2fs", "-q", "-F", "-t", "ext4", "-L", "lastcall-in", "-O", "^has_journal", "-m", "0", "-d", folder, disk); err != nil {
		return err
	}
	return os.RemoveAll(folder)
}

// collect reads the results from the second disk.
func collect(work, disk, out string, machineErr error) (bool, error) {
	if err := os.MkdirAll(out, 0o755); err != nil {
		return false, err
	}
	if _, err := command(context.Background(), "debugfs", "-R", "rdump /out "+work, disk); err != nil {
		return false, err
	}
	if found, _ := filepath.Glob(work + "/out/*"); len(found) > 0 {
		for _, path := range found {
			text, err := os.ReadFile(path)
			if err == nil {
				err = os.WriteFile(filepath.Join(out, filepath.Base(path)), text, 0o644)
			}
			if err != nil {
				return false, err
			}
		}
	}
	console, _ := os.ReadFile(work + "/console")
	if err := os.WriteFile(out+"/console", console, 0o644); err != nil {
		return false, err
	}
	status, err := os.ReadFile(out + "/status")
	if err != nil {
		return false, fmt.Errorf("%w (qemu: %v); the end of its console:\n%s", ErrLost, machineErr, lastLines(console, 30))
	}
	return strings.TrimSpace(string(status)) == "0", nil
}

func lastLines(text []byte, most int) string {
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-most):], "\n")
}

// Shell boots the machine with the terminal as its console.
func (i Image) Shell(ctx context.Context, in Input, settings Settings) error {
	work, err := os.MkdirTemp("", "lastcall-machine-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if err := inputDisk(ctx, in, settings, work, work+"/in.img"); err != nil {
		return err
	}
	machine := i.qemu(ctx, work+"/in.img", "lastcall.shell")
	for at, arg := range machine.Args {
		if arg == "stdio" {
			machine.Args[at] = "mon:stdio" // Ctrl-A X ends it, Ctrl-C goes to the guest
		}
	}
	machine.Stdin, machine.Stdout, machine.Stderr = os.Stdin, os.Stdout, os.Stderr
	return machine.Run()
}
