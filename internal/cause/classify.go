package cause

import "slices"

// Of names the cause. The topmost frame that tells decides: a core dump that
// waits for NFS waits for NFS.
func Of(e Evidence) Cause {
	frames := e.Stack
	if len(frames) == 0 && e.Wchan != "" && e.Wchan != "0" {
		// Without a stack the wait channel is its first frame.
		frames = []string{e.Wchan}
	}
	code, function := byStack(frames)
	if code == "" {
		code, function = byMount(e, frames)
	}
	c := Cause{Code: code, Function: function, While: while(e, frames), Call: e.Call.Name, File: e.File, Mount: mountOf(code, e), Works: e.Works}
	if code == Unknown && e.Dumping {
		c.Code = CoreDump
	}
	// Only what frees memory is slow rather than stuck; who waits in a file
	// system may use a little processor time by looking again and again.
	c.Works = e.Works && c.Code == ExitMemory
	return c
}

// byStack returns the first verdict from the top, and the function that tells
// most: the topmost one that is a wait of that family.
func byStack(frames []string) (code Code, name string) {
	percpu := false
	for i, frame := range frames {
		function, module := split(frame)
		switch function {
		case "percpu_rwsem_wait", "__percpu_down_read", "percpu_down_read", "call_rwsem_down_read_failed", "rwsem_down_read_failed":
			percpu = percpu || function != "rwsem_down_read_failed"
			continue
		}
		if function == "__sb_start_write" || percpu && slices.Contains(startsWrite, function) {
			return FrozenFS, function
		}
		percpu = false
		if code := refine(familyOf(function, module), frames[i:]); code != "" {
			return code, function
		}
	}
	return "", ""
}

// refine looks further down for what the first verdict is part of. Memory is
// unmapped on many occasions: only within an exit it tells.
func refine(code Code, below []string) Code {
	switch code {
	case Reclaim:
		if has(below, "try_to_free_mem_cgroup_pages") {
			return MemoryLimit
		}
	case ExitMemory:
		if !has(below, "exit_mmap", "exit_mm", "mmput", "__mmput") {
			return ""
		}
	}
	return code
}

// has says whether one of the functions is in the stack.
func has(frames []string, functions ...string) bool {
	return slices.ContainsFunc(frames, func(frame string) bool {
		function, _ := split(frame)
		return slices.Contains(functions, function)
	})
}

// pageWaits are the functions in which a thread waits for a page of a file
// (mm/filemap.c): the file system is only told by the file.
var pageWaits = []string{
	"folio_wait_bit_common", "folio_wait_bit", "folio_wait_bit_killable", "wait_on_page_bit", "wait_on_page_bit_common", "wait_on_page_bit_killable",
	"__lock_page", "__lock_page_killable", "__folio_lock", "__folio_lock_killable", "folio_wait_writeback", "wait_on_page_writeback",
	"filemap_fault", "filemap_read", "filemap_get_pages", "generic_file_read_iter", "generic_file_buffered_read", "balance_dirty_pages", "sleep_on_page", "io_schedule",
}

// byMount decides by the file where the stack shows no more than a wait for a
// page.
func byMount(e Evidence, frames []string) (Code, string) {
	for _, frame := range frames {
		function, _ := split(frame)
		if !slices.Contains(pageWaits, function) {
			continue
		}
		for code := range types {
			if typeOf(code, e.Mount.Type) {
				return code, function
			}
		}
		if e.Mount.Major != 0 {
			return Block, function
		}
	}
	return Unknown, topmost(frames)
}

// topmost is the function a stack begins with.
func topmost(frames []string) string {
	if len(frames) == 0 {
		return ""
	}
	function, _ := split(frames[0])
	return function
}

// while says in the middle of what the process was caught.
func while(e Evidence, frames []string) string {
	exit := e.Exiting
	for _, frame := range frames {
		switch function, _ := split(frame); function {
		case "do_coredump", "vfs_coredump":
			return "core-dump"
		case "do_exit":
			exit = true
		}
	}
	switch {
	case e.Dumping:
		return "core-dump"
	case exit:
		return "exit"
	}
	return ""
}

// mountOf returns the file system of a cause: that of the file, if it can be
// the one, else the only one of its kind.
func mountOf(code Code, e Evidence) Mount {
	if types[code] == nil {
		if code == FrozenFS || code == Block {
			return e.Mount
		}
		return Mount{}
	}
	if typeOf(code, e.Mount.Type) {
		return e.Mount
	}
	var only Mount
	for _, mount := range e.Mounts {
		if !typeOf(code, mount.Type) {
			continue
		}
		if only.Known() && !only.Same(mount) {
			return Mount{}
		}
		if !only.Known() {
			only = mount
		}
	}
	return only
}
