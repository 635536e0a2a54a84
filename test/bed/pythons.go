package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"lastcall/test/machine"
)

// pythons tests what reads interpreters, one place after the other: the host,
// and a root folder for each suite. Of a place that could not be tested the
// results it had are kept.
func (o options) pythons(ctx context.Context) error {
	input, err := os.MkdirTemp("", "lastcall-bed-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(input)
	if err := machine.BuildPythonTests(ctx, ".", input); err != nil {
		return err
	}
	places := []machine.Pythons{{Place: "host"}}
	for _, suite := range machine.PythonSuites {
		places = append(places, machine.Pythons{Place: "chroot", Suite: suite})
	}
	var wrong []error
	for _, place := range places {
		place.Commit, place.Limit, place.Input = o.commit, o.limit, input
		console := &prefixed{prefix: fmt.Sprintf("%s %s: ", place.Place, place.Suite)}
		results, err := place.Run(ctx, console)
		if len(results) > 0 && ctx.Err() == nil {
			err = errors.Join(err, machine.SavePythons(place.Place, place.Suite, results))
		}
		wrong = append(wrong, err)
	}
	return errors.Join(wrong...)
}
