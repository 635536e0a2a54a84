package linux

import (
	"errors"
	"path/filepath"
	"testing"
)

func TestOnlyOneHoldsTheFolder(t *testing.T) {
	dir := t.TempDir()
	first, err := TryFlock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := TryFlock(dir); !errors.Is(err, ErrLocked) {
		t.Errorf("the second got %v", err)
	}
	first.Close()
	again, err := TryFlock(dir)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
	if _, err := TryFlock(filepath.Join(dir, "nothing")); !Gone(err) {
		t.Errorf("no folder: %v", err)
	}
}
