package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"

	"github.com/coreos/go-systemd/v22/daemon"

	"lastcall/internal/config"
	"lastcall/internal/note"
	"lastcall/internal/version"
	"lastcall/internal/watch"
)

// watchNode is the node service. It runs until it is told to end.
func watchNode(arguments []string, wrong io.Writer) error {
	flags := flag.NewFlagSet("lastcall watch", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	explicit := flags.String("config", "", "")
	only := flags.String("slurm-conf", "", "")
	verbose := flags.Bool("verbose", false, "")
	if err := flags.Parse(arguments); err != nil || flags.NArg() > 0 {
		return errors.Join(err, errors.New("use lastcall watch [-config FILE] [-slurm-conf FILE] [-verbose]"))
	}
	if os.Getuid() != 0 {
		return errors.New("only root can watch over the jobs of all users")
	}
	// Small, rather than quick to allocate: it shares its node with jobs.
	debug.SetGCPercent(25)
	debug.SetMemoryLimit(12 << 20)
	// The journal brings its own time.
	stamp := log.LstdFlags
	if os.Getenv("JOURNAL_STREAM") != "" {
		stamp = 0
	}
	lines := log.New(wrong, "lastcall watch: ", stamp|log.Lmsgprefix)
	folder := ""
	if program, err := os.Executable(); err == nil {
		folder = filepath.Dir(program)
	}
	settings, source, err := config.Load(*explicit, folder)
	if err != nil {
		lines.Printf("%v; going on with the defaults", err)
	}
	service, err := watch.New(settings, source, func(text string) { lines.Print(text) })
	if err != nil {
		return err
	}
	service.Only, service.Verbose = *only, *verbose
	service.Notes = note.Folder
	service.Alive = func() { _, _ = daemon.SdNotify(false, daemon.SdNotifyWatchdog) }
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	lines.Printf("version %s, mode %s", version.Version, service.Mode())
	if _, err := daemon.SdNotify(false, daemon.SdNotifyReady); err != nil {
		lines.Print(err)
	}
	if err := service.Run(ctx); err != nil {
		return fmt.Errorf("watching: %w", err)
	}
	return nil
}
