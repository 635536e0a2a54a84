package slurm

import (
	"slices"
	"testing"
)

func TestParseVersion(t *testing.T) {
	tests := []struct {
		text string
		want string // "" for an error
	}{
		{"slurm-wlm 24.11.5\n", "24.11.5"},
		{"slurm 26.05.0-0rc1", "26.05.0"},
		{"slurm 20.11.9", "20.11.9"},
		{"slurm", ""},
		{"", ""},
		{"slurm 24.11", ""},
		{"slurm 24.x.1", ""},
		{"slurm 24.-1.1", ""},
		{"slurm 1.2.3.4", ""},
	}
	for _, test := range tests {
		got, err := ParseVersion(test.text)
		if (err != nil) != (test.want == "") || err == nil && got.String() != test.want {
			t.Errorf("%q: %v, %v", test.text, got, err)
		}
	}
}

func FuzzParseVersion(f *testing.F) {
	f.Add("slurm-wlm 24.11.5")
	f.Fuzz(func(t *testing.T, text string) {
		if v, err := ParseVersion(text); err == nil {
			if again, err := ParseVersion("slurm " + v.String()); err != nil || again != v {
				t.Errorf("%q gave %v, read again %v, %v", text, v, again, err)
			}
		}
	})
}

func TestHas(t *testing.T) {
	if (Version{24, 5, 0}).Has("nonsense") {
		t.Error("a change nobody wrote down")
	}
	for _, row := range History {
		before := row.Since
		before.Patch--
		if !row.Since.Has(row.Change) || before.Has(row.Change) || !(Version{99, 1, 1}).Has(row.Change) {
			t.Errorf("%s since %s", row.Change, row.Since)
		}
		if row.Source == "" {
			t.Errorf("%s has no source", row.Change)
		}
	}
	sorted := slices.IsSortedFunc(History, func(a, b struct {
		Since  Version
		Change Change
		Source string
	},
	) int {
		return a.Since.Compare(b.Since)
	})
	if !sorted {
		t.Error("the history is not in order")
	}
}
