package machine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// guest holds what goes into a root besides packages, and the scripts that
// make it. This file is among the inputs, because it says how.
//
//go:embed guest build.go suite.go
var guest embed.FS

// Image is a built suite: root/ for a chroot, root.img and vmlinuz for a
// virtual machine.
type Image struct {
	Suite Suite
	Dir   string
}

// Root returns the root folder.
func (i Image) Root() string { return i.Dir + "/root" }

// Cache returns the folder images and results are kept in, outside the
// source tree: $XDG_CACHE_HOME/lastcall.
func Cache() string {
	base, err := os.UserCacheDir()
	if err != nil {
		base = "/root/.cache"
	}
	return filepath.Join(base, "lastcall")
}

// key names the inputs of an image.
func key(suite Suite) string {
	sum := sha256.New()
	fmt.Fprintf(sum, "%+v\n", suite)
	_ = fs.WalkDir(guest, ".", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && !runsLater[filepath.Base(path)] {
			text, _ := guest.ReadFile(path)
			fmt.Fprintf(sum, "%s %d\n%s", path, len(text), text)
		}
		return err
	})
	return hex.EncodeToString(sum.Sum(nil))[:12]
}

// runsLater are the files that do not become part of an image.
var runsLater = map[string]bool{"run.sh": true, "chroot.sh": true}

// Build returns the image of the suite, made now if the cache has none of
// these very inputs. Two builds of one suite at once wait for each other.
func Build(ctx context.Context, suite Suite, say func(string, ...any)) (Image, error) {
	image := Image{Suite: suite, Dir: filepath.Join(Cache(), "images", suite.Name+"-"+key(suite))}
	if err := os.MkdirAll(filepath.Dir(image.Dir), 0o755); err != nil {
		return image, err
	}
	lock, err := os.OpenFile(image.Dir+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return image, err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return image, fmt.Errorf("flock %s: %w", lock.Name(), err)
	}
	if _, err := os.Stat(image.Dir); err == nil {
		return image, nil
	}
	began := time.Now()
	say("building the image from Debian's packages")
	fresh := Image{Suite: suite, Dir: image.Dir + ".new"}
	if err := errors.Join(os.RemoveAll(fresh.Dir), os.MkdirAll(fresh.Dir, 0o755)); err != nil {
		return image, err
	}
	for _, step := range []func(context.Context) error{fresh.packages, fresh.furnish, fresh.kernel, fresh.disk} {
		if err := step(ctx); err != nil {
			return image, fmt.Errorf("the image of %s cannot be built: %w", suite.Name, err)
		}
	}
	say("built in %.0f s", time.Since(began).Seconds())
	return image, os.Rename(fresh.Dir, image.Dir)
}

// packages makes the root folder and fetches the kernel.
func (i Image) packages(ctx context.Context) error {
	hook := i.Dir + "/kernel-hook"
	text, err := guest.ReadFile("guest/kernel.sh")
	if err != nil {
		return err
	}
	if err := os.WriteFile(hook, text, 0o755); err != nil {
		return err
	}
	args := []string{
		"--mode=root", "--variant=apt", `--aptopt=Acquire::Languages "none"`, `--aptopt=Acquire::Retries "3"`,
		"--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*",
		"--dpkgopt=path-exclude=/usr/share/locale/*", "--include=" + strings.Join(packages, ","),
		"--customize-hook=" + hook + ` "$1" ` + i.Dir + "/kernel",
	}
	if i.Suite.Moving {
		args = append(args, `--aptopt=Acquire::Check-Valid-Until "false"`)
	}
	out, err := command(ctx, "mmdebstrap", append(args, i.Suite.Name, i.Root())...)
	if err != nil && unreachable(out) {
		return fmt.Errorf("the suite %s cannot be reached on Debian's mirror; the network or a proxy may be missing: %w", i.Suite.Name, err)
	}
	return err
}

// unreachable says whether apt's words mean that the mirror did not answer or
// does not have the suite.
func unreachable(out string) bool {
	for _, sign := range []string{"Failed to fetch", "Could not resolve", "Could not connect", "does not have a Release file"} {
		if strings.Contains(out, sign) {
			return true
		}
	}
	return false
}

// furnish puts the guest's own files into the root.
func (i Image) furnish(ctx context.Context) error {
	for from, to := range map[string]string{
		"lastcall-address.service": "/etc/systemd/system/lastcall-address.service",
		"lastcall-tests.service":   "/etc/systemd/system/lastcall-tests.service",
		"guest.sh":                 "/usr/local/sbin/lastcall-guest",
		"furnish.sh":               "/furnish.sh",
	} {
		text, err := guest.ReadFile("guest/" + from)
		if err != nil {
			return err
		}
		mode := os.FileMode(0o644)
		if strings.HasSuffix(from, ".sh") {
			mode = 0o755
		}
		if err := os.WriteFile(i.Root()+to, text, mode); err != nil {
			return err
		}
	}
	script := i.Root() + "/furnish.sh"
	if _, err := command(ctx, "sh", script, i.Root()); err != nil {
		return err
	}
	return os.Remove(script)
}

// kernel takes the kernel out of what was unpacked, and puts its modules into
// the root: loop devices, FUSE and what tells of sockets are among them.
func (i Image) kernel(ctx context.Context) error {
	// Newer packages keep the kernel beside the modules instead of in boot/, and
	// both in usr/.
	var kernels, modules []string
	_ = filepath.WalkDir(i.Dir+"/kernel/unpacked", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
		case entry.Type().IsRegular() && strings.HasPrefix(entry.Name(), "vmlinuz"):
			kernels = append(kernels, path)
		case entry.IsDir() && entry.Name() == "kernel" && filepath.Base(filepath.Dir(filepath.Dir(path))) == "modules":
			modules = append(modules, filepath.Dir(path))
		}
		return err
	})
	if len(kernels) != 1 || len(modules) != 1 {
		return fmt.Errorf("found %d kernels and %d folders of modules in %s/kernel, want one of each", len(kernels), len(modules), i.Dir)
	}
	version := filepath.Base(modules[0])
	if err := errors.Join(
		os.Rename(kernels[0], i.Dir+"/vmlinuz"),
		os.MkdirAll(i.Root()+"/usr/lib/modules", 0o755),
		os.Rename(modules[0], i.Root()+"/usr/lib/modules/"+version),
	); err != nil {
		return err
	}
	if _, err := command(ctx, "chroot", i.Root(), "depmod", version); err != nil {
		return err
	}
	return os.RemoveAll(i.Dir + "/kernel")
}

// disk makes the root's disk. Kernels number two disks either way round, so
// the root is found by the name of its partition; mke2fs writes at its offset
// and nothing is mounted.
func (i Image) disk(ctx context.Context) error {
	const sectors, start, sector = 2560 << 10, 2048, 512
	path := i.Dir + "/root.img"
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := file.Truncate((sectors + 2*start) * sector); err != nil {
		return err
	}
	table := exec.CommandContext(ctx, "sfdisk", "-q", path)
	table.Stdin = strings.NewReader(fmt.Sprintf("label: gpt\nstart=%d, size=%d, name=lastcall-root\n", start, sectors))
	if out, err := table.CombinedOutput(); err != nil {
		return fmt.Errorf("sfdisk %s: %w: %s", path, err, out)
	}
	_, err = command(ctx, "mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal", "-m", "0",
		"-E", fmt.Sprintf("offset=%d", start*sector), "-d", i.Root(), path, fmt.Sprintf("%dk", sectors/2))
	return err
}

// command runs a program to its end and returns what it said; on an error
// that is in the error too, its last lines.
func command(ctx context.Context, name string, args ...string) (string, error) {
	run := exec.CommandContext(ctx, name, args...)
	run.Env = append(os.Environ(), "LC_ALL=C", "PATH=/usr/local/sbin:/usr/sbin:/sbin:"+os.Getenv("PATH"))
	var out bytes.Buffer
	run.Stdout, run.Stderr = &out, &out
	err := run.Run()
	text := out.String()
	if err != nil {
		return text, fmt.Errorf("%s: %w:\n%s", name, err, text[max(0, len(text)-1500):])
	}
	return text, nil
}
