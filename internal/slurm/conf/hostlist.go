package conf

import (
	"fmt"
	"strconv"
	"strings"
)

// mostHosts is how many names one list may stand for: more than MAX_RANGE of
// src/common/hostlist.h is refused by Slurm too.
const mostHosts = 64 << 10

// Hosts returns the names a hostlist stands for, like n[1-3,7],rack[01-12]x.
// Errors wrap ErrConf.
func Hosts(list string) ([]string, error) {
	var names []string
	for rest := list; rest != ""; {
		var item string
		item, rest = cutOutside(rest)
		if item == "" {
			continue
		}
		more, err := expand(item, mostHosts-len(names))
		if err != nil {
			return nil, fmt.Errorf("the list of hosts %.80q: %w", list, err)
		}
		names = append(names, more...)
	}
	return names, nil
}

// cutOutside cuts at the first comma that is not between brackets.
func cutOutside(list string) (item, rest string) {
	depth := 0
	for i := range len(list) {
		switch list[i] {
		case '[':
			depth++
		case ']':
			depth--
		case ',':
			if depth == 0 {
				return list[:i], list[i+1:]
			}
		}
	}
	return list, ""
}

// expand writes out one item. Each pair of brackets multiplies the names.
func expand(item string, room int) ([]string, error) {
	before, rest, found := strings.Cut(item, "[")
	if strings.Contains(before, "]") {
		return nil, fmt.Errorf("] without [: %w", ErrConf)
	}
	if !found {
		if room < 1 {
			return nil, tooMany()
		}
		return []string{item}, nil
	}
	inside, after, closed := strings.Cut(rest, "]")
	if !closed || inside == "" || strings.Contains(inside, "[") {
		return nil, fmt.Errorf("[ without its ]: %w", ErrConf)
	}
	tails, err := expand(after, room)
	if err != nil {
		return nil, err
	}
	var names []string
	for part := range strings.SplitSeq(inside, ",") {
		low, high, width, err := bounds(part)
		if err != nil {
			return nil, err
		}
		if (high-low+1)*uint64(len(tails)) > uint64(room-len(names)) {
			return nil, tooMany()
		}
		for number := low; number <= high; number++ {
			head := fmt.Sprintf("%s%0*d", before, width, number)
			for _, tail := range tails {
				names = append(names, head+tail)
			}
		}
	}
	return names, nil
}

func tooMany() error { return fmt.Errorf("more than %d names: %w", mostHosts, ErrConf) }

// bounds reads "7" or "001-128". The width of the first number counts.
func bounds(part string) (low, high uint64, width int, err error) {
	first, last, ranged := strings.Cut(part, "-")
	if !ranged {
		last = first
	}
	low, errLow := strconv.ParseUint(first, 10, 32)
	high, errHigh := strconv.ParseUint(last, 10, 32)
	if errLow != nil || errHigh != nil || high < low || len(first) > 32 {
		return 0, 0, 0, fmt.Errorf("%.40q is no range: %w", part, ErrConf)
	}
	return low, high, len(first), nil
}

// NodesOn returns the names of the nodes whose NodeHostname is host, in the
// order of the file. A list that cannot be read is an error, since it might
// name the host too.
func (c *Conf) NodesOn(host string) ([]string, error) {
	var found []string
	for _, line := range c.nodes {
		hosts, err := Hosts(line.hostnames)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", line.file, line.line, err)
		}
		var names []string
		for i, one := range hosts {
			if one != host {
				continue
			}
			if names == nil {
				if names, err = Hosts(line.names); err != nil {
					return nil, fmt.Errorf("%s:%d: %w", line.file, line.line, err)
				}
			}
			switch {
			case len(hosts) == len(names):
				found = append(found, names[i])
			case len(hosts) == 1: // several nodes on one host
				found = append(found, names...)
			default:
				return nil, fmt.Errorf("%s:%d: %d names of nodes for %d host names: %w", line.file, line.line, len(names), len(hosts), ErrConf)
			}
		}
	}
	return found, nil
}
