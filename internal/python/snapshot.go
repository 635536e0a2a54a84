package python

// state is one PyThreadState while it is read.
type state struct {
	Thread
	address uint64
	ident   uint64 // pthread_t
	inside  int    // gettid(2) as the process itself sees it, 0 if not known
	links   []link
	base    link
	based   bool
	object  uint64 // its threading.Thread
	wrong   error
}

// threads reads every thread of every interpreter, newest first, the main
// interpreter's last. It sets what the snapshot says of the interpreters.
func (i *interpreter) threads(s *Snapshot) ([]*state, error) {
	m := i.image.memory
	s.Interpreters, s.Finalizing = 0, Unknown
	s.TearingDown = m.word(i.base+i.runtime.finalizing) != 0
	var all []*state
	interp := m.word(i.base + i.runtime.head)
	for interp != 0 && m.wrong == nil {
		if s.Interpreters++; s.Interpreters > mostInterps {
			m.fail(errTorn)
			break
		}
		next := m.word(interp + i.interp.next)
		own := i.threadsOf(interp, len(all))
		for _, t := range own {
			t.Main = next == 0
		}
		all = append(all, own...)
		if i.interp.finalizing != 0 {
			s.Finalizing = No
			if m.half(interp+i.interp.finalizing) == 1 {
				s.Finalizing = Yes
			}
		}
		interp = next
	}
	return all, m.trouble()
}

// threadsOf reads the threads of one interpreter. had is how many are there
// already.
func (i *interpreter) threadsOf(interp uint64, had int) []*state {
	m := i.image.memory
	var own []*state
	for thread := m.word(interp + i.interp.threads); thread != 0 && m.wrong == nil; {
		if had+len(own) == mostThreads || m.word(thread+i.thread.interp) != interp {
			m.fail(errTorn)
			break
		}
		t := &state{address: thread, ident: m.word(thread + i.thread.ident)}
		if i.thread.native != 0 {
			t.inside = int(uint32(m.word(thread + i.thread.native)))
		}
		next := m.word(thread + i.thread.next)
		if m.wrong != nil {
			break
		}
		t.links, t.wrong = i.chain(thread)
		t.base, t.based = i.outermost(thread)
		own = append(own, t)
		thread = next
	}
	return own
}

// decodeAll turns links into frames.
func (i *interpreter) decodeAll(all []*state) {
	known := map[uint64]*code{}
	for _, t := range all {
		t.Frames = make([]Frame, 0, len(t.links))
		for _, one := range t.links {
			f, err := i.decode(one, known)
			if err != nil {
				t.wrong = err
				break
			}
			t.Frames = append(t.Frames, f)
		}
		if t.based {
			if f, err := i.decode(t.base, known); err == nil {
				t.Base = &f
			}
		}
	}
}

// settle decides whether the stack of a thread is whole. Of one that slept it
// is. Of one that ran it is if its outermost frame is where it must be; before
// 3.11 nothing tells that, but the frame in which every program begins does. Of
// one that ran without any frame, what lies in the place of the first is what
// an earlier one has left there.
func (t *state) settle(still bool) {
	t.Still = still
	n := len(t.Frames)
	switch {
	case t.wrong != nil:
	case still:
		t.Whole = true
	case n == 0:
		t.Base = nil
	case t.Base != nil:
		t.Whole = t.Frames[n-1].address == t.Base.address
	default:
		last := t.Frames[n-1]
		t.Whole = last.Begins() || last.Is("_bootstrap", "threading.py")
	}
}

// identify fills in what the Thread object says, which the outermost frame of
// every such thread has as its first argument: Thread._bootstrap(self).
func (i *interpreter) identify(t *state) {
	first := t.Outermost()
	if first == nil || !first.Is("_bootstrap", "threading.py") {
		return
	}
	found := i.attributes(first.self, "_name", "_daemonic", "_native_id")
	name, daemon := i.text(found["_name"]), i.flag(found["_daemonic"])
	id, _ := i.integer(found["_native_id"])
	if i.image.memory.trouble() != nil || found["_name"] == 0 {
		return
	}
	t.Managed, t.object, t.Name, t.Daemon = true, first.self, name, daemon
	if t.inside == 0 {
		t.inside = id
	}
}

// resolve says what the frames of threading and multiprocessing are about.
func (i *interpreter) resolve(t *state, all []*state) {
	for n := range t.Frames {
		f := &t.Frames[n]
		switch {
		case f.Is("join", "threading.py"):
			f.Self = i.threadObject(f.self, all)
		case f.Is("join", "multiprocessing/process.py"):
			f.Self = i.processObject(f.self)
		}
	}
}

func (i *interpreter) threadObject(object uint64, all []*state) *Object {
	for _, t := range all {
		if t.object == object && object != 0 {
			return &Object{Name: t.Name, Daemon: t.Daemon, TID: t.TID}
		}
	}
	found := i.attributes(object, "_name", "_daemonic")
	o := &Object{Name: i.text(found["_name"]), Daemon: i.flag(found["_daemonic"])}
	if i.image.memory.trouble() != nil {
		return nil
	}
	return o
}

func (i *interpreter) processObject(object uint64) *Object {
	found := i.attributes(object, "_name", "_popen", "_config")
	o := &Object{Name: i.text(found["_name"]), Daemon: No}
	if i.flag(i.dictionary(found["_config"], "daemon")["daemon"]) == Yes {
		o.Daemon = Yes
	}
	o.PID, _ = i.integer(i.attributes(found["_popen"], "pid")["pid"])
	if i.image.memory.trouble() != nil {
		return nil
	}
	return o
}
