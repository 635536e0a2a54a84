package python

import (
	"encoding/json"
	"runtime"
	"strings"
	"testing"
)

// A hostile memory has the same long name in every frame. The answer is short
// all the same, and making it takes little memory: the child shares that of
// the service.
func TestAnswersAreShort(t *testing.T) {
	long := strings.Repeat("\x01", mostText)
	for _, one := range []Snapshot{
		{Threads: make([]Thread, mostLinks/mostFrames)},
		{Threads: make([]Thread, mostThreads)},
	} {
		for n := range one.Threads {
			thread := &one.Threads[n]
			thread.Base = &Frame{Function: long, File: long}
			thread.Frames = make([]Frame, mostLinks/len(one.Threads))
			for at := range thread.Frames {
				thread.Frames[at] = Frame{Function: long, File: long, Self: &Object{Name: long}}
			}
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		text, err := reply{Snapshot: &one}.encode(mostAnswer)
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > 64<<20 {
			t.Errorf("%d MiB were allocated", took>>20)
		}
		var got reply
		if err != nil || len(text) > mostAnswer || json.Unmarshal(text, &got) != nil || !got.Snapshot.Cut || len(got.Snapshot.Threads) == 0 {
			t.Errorf("%d bytes, %v", len(text), err)
		}
	}
	small := reply{Snapshot: &Snapshot{Version: "3.11.2", Threads: []Thread{{TID: 7, Frames: make([]Frame, 20)}}}}
	if text, err := small.encode(mostAnswer); err != nil || small.Snapshot.Cut || len(small.Snapshot.Threads[0].Frames) != 20 {
		t.Errorf("%s, %v", text, err)
	}
}
