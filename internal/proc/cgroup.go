package proc

import "bytes"

// EachCgroup calls use for each line of the text of /proc/PID/cgroup
// (cgroups(7)): the controllers, empty for version 2 and "name=..." for a
// named hierarchy, and the path below that hierarchy's root. A path may hold
// any byte but NUL and newline, also colons; the kernel escapes nothing. A
// removed group shows as "PATH (deleted)".
func EachCgroup(text []byte, use func(controllers, path []byte)) {
	for line := range bytes.Lines(text) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		id, rest, ok := bytes.Cut(line, []byte(":"))
		if _, isNumber := number(id); !ok || !isNumber {
			continue
		}
		controllers, path, ok := bytes.Cut(rest, []byte(":"))
		if !ok || len(path) == 0 || path[0] != '/' {
			continue
		}
		use(controllers, bytes.TrimSuffix(path, []byte(" (deleted)")))
	}
}
