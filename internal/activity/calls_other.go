//go:build !amd64 && !arm64

package activity

// idleCalls is empty where nobody has checked the numbers: no process is
// called idle then.
var idleCalls map[int]known

// sigtimedwait is the call of sigwait(3), here unknown too.
const sigtimedwait = -1
