package config

import (
	"errors"
	"fmt"
	"syscall"
)

// maxSize is the most a configuration may be long, in bytes.
const maxSize = 64 << 10

// Fallback is where the configuration is looked for after the folder of the
// program.
const Fallback = "/etc/slurm/lastcall.toml"

// ErrUntrusted says that somebody other than root could have written a
// configuration: it would decide what root kills.
var ErrUntrusted = errors.New("not honoured")

// Load reads the first lastcall.toml there is: at explicit if that is not
// empty, else beside the program in folder, else at Fallback. It returns the
// configuration and the path it came from, "" for the defaults. An error says
// what is wrong with the file; the configuration is then the default one, but
// for a mode of "observe" that could be read: a typo elsewhere must not make
// the hooks act on a site that only wants to look.
func Load(explicit, folder string) (Config, string, error) {
	paths := []string{explicit}
	if explicit == "" {
		paths = []string{folder + "/lastcall.toml", Fallback}
		if folder == "" {
			paths = paths[1:]
		}
	}
	for _, path := range paths {
		text, err := read(path)
		if errors.Is(err, syscall.ENOENT) && explicit == "" {
			continue
		}
		if err != nil {
			return Default(), path, err
		}
		config, err := Parse(path, text)
		return config, path, err
	}
	return Default(), "", nil
}

// read opens the file once and judges what it opened, so that nobody can put
// another in its place between.
func read(path string) ([]byte, error) {
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	defer syscall.Close(fd)
	var status syscall.Stat_t
	if err := syscall.Fstat(fd, &status); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := trusted(path, status); err != nil {
		return nil, err
	}
	text := make([]byte, maxSize+1)
	filled := 0
	for filled < len(text) {
		n, err := syscall.Read(fd, text[filled:])
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if n == 0 {
			return text[:filled], nil
		}
		filled += n
	}
	return nil, fmt.Errorf("%s: longer than %d bytes: %w", path, maxSize, ErrUntrusted)
}

func trusted(path string, status syscall.Stat_t) error {
	switch {
	case status.Mode&syscall.S_IFMT != syscall.S_IFREG:
		return fmt.Errorf("%s: %w: it must be a plain file", path, ErrUntrusted)
	case status.Uid != 0:
		return fmt.Errorf("%s: %w: it belongs to user %d and must belong to root", path, ErrUntrusted, status.Uid)
	case status.Mode&0o022 != 0:
		return fmt.Errorf("%s: %w: its mode is %04o and nobody but root may write it (chmod go-w)", path, ErrUntrusted, status.Mode&0o7777)
	}
	return nil
}
