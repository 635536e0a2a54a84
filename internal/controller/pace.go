package controller

import "time"

// The numbers of a Pace.
const (
	every   = time.Second            // between two questions of one node
	slow    = 500 * time.Millisecond // an answer that took longer tells of a busy controller
	longest = time.Minute            // of a pause
	base    = 100 * time.Millisecond // of the random delay of a job on one node
	perNode = 10 * time.Millisecond  // and more for each further node
	most    = 20 * time.Second       // of the random delay
)

// Pace says when the next question may be asked, so that a thousand nodes
// that lose a job at one moment do not all ask at that moment, and a
// controller that is slow is asked less. It has no clock of its own and does
// not wait. The zero Pace is ready. It is for one goroutine.
type Pace struct {
	next  time.Time     // no question before
	pause time.Duration // the last pause after a slow or missing answer
}

// Delay returns how long to wait before a question about a job on so many
// nodes. share is a random number from 0 to below 1.
func (p *Pace) Delay(nodes int, share float64) time.Duration {
	further := time.Duration(min(max(nodes-1, 0), 1<<16))
	return time.Duration(share * float64(min(base+further*perNode, most)))
}

// Wait returns how long no question may be asked, from now on.
func (p *Pace) Wait(now time.Time) time.Duration {
	return max(p.next.Sub(now), 0)
}

// Asked notes that a question begins now.
func (p *Pace) Asked(now time.Time) {
	p.next = now.Add(every)
}

// Answered notes how the question ended: good if the controller said
// something, be it that it knows no such job. A slow or missing answer doubles
// the pause, up to a minute; a quick one ends it.
func (p *Pace) Answered(now time.Time, took time.Duration, good bool) {
	if good && took <= slow {
		p.pause = 0
		return
	}
	p.pause = min(max(2*p.pause, 2*every), longest)
	if after := now.Add(p.pause); after.After(p.next) {
		p.next = after
	}
}
