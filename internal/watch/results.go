package watch

import "time"

// do hands the result of something slow back to the one goroutine that owns
// everything.
func (s *Service) do(result func()) {
	s.results <- result
	s.notify.Wake()
}

// collect takes the results that are there.
func (s *Service) collect() {
	for {
		select {
		case result := <-s.results:
			s.working--
			result()
		default:
			return
		}
	}
}

// finish waits for what is under way, each with a deadline of its own, and
// writes the records of what was done.
func (s *Service) finish() {
	for s.working > 0 {
		result := <-s.results
		s.working--
		result()
	}
	for _, n := range s.nodes {
		for _, j := range n.jobs {
			if j.ended != nil {
				s.close(j, time.Now())
			}
		}
	}
}
