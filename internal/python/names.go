package python

import "strings"

// Is says whether the frame is a function of a file of the standard library;
// tail is the end of its path, like "threading.py". A method's class does not
// count: only from 3.11 on the name has it.
func (f Frame) Is(function, tail string) bool {
	return (f.Function == function || strings.HasSuffix(f.Function, "."+function)) && f.In(tail)
}

// In says whether the frame is in a file of the standard library.
func (f Frame) In(tail string) bool {
	module := strings.ReplaceAll(strings.TrimSuffix(tail, ".py"), "/", ".")
	return strings.HasSuffix(f.File, "/"+tail) || f.File == "<frozen "+module+">"
}

// Begins says whether the frame is the one a main program begins with: a
// script, python -c, python -m.
func (f Frame) Begins() bool {
	return f.Function == "<module>" || f.Is("_run_module_as_main", "runpy.py")
}

// Library says whether the frame is in the standard library: it only passes on
// what the user's code asked for.
func (f Frame) Library() bool {
	if strings.HasPrefix(f.File, "<frozen ") {
		return true
	}
	if strings.Contains(f.File, "site-packages") || strings.Contains(f.File, "dist-packages") {
		return false
	}
	return strings.Contains(f.File, "/lib/python3") || strings.Contains(f.File, "/lib64/python3")
}

// User returns the innermost frame that is not of the standard library, the
// innermost of all if there is none, nil without frames.
func (t *Thread) User() *Frame {
	for n := range t.Frames {
		if !t.Frames[n].Library() {
			return &t.Frames[n]
		}
	}
	if len(t.Frames) > 0 {
		return &t.Frames[0]
	}
	return nil
}
