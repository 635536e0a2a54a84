// Command demo runs jobs that misbehave on a private real Slurm, first
// without and then with lastcall, and shows what is left of them.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"text/tabwriter"
)

func main() {
	bin := flag.String("bin", "bin", "folder with epilog, taskepilog, lastcall and misbehave")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := show(ctx, *bin); err != nil {
		if ctx.Err() != nil {
			fmt.Fprintln(os.Stderr, "demo: interrupted; everything it started is stopped and removed")
		} else {
			fmt.Fprintln(os.Stderr, "demo:", err)
		}
		os.Exit(1)
	}
}

// show plays both acts and prints the table.
func show(ctx context.Context, bin string) error {
	bin, err := filepath.Abs(bin)
	if err != nil {
		return err
	}
	fmt.Println("A private Slurm on this machine runs six jobs twice: without lastcall, then with it.")
	fmt.Println("Three end by themselves: one leaves processes and a lock behind, one forks without end, one leaves")
	fmt.Println("a program that wants to save its work when it is asked to end. Two are cancelled: one does not end")
	fmt.Println("(a handler that goes on, five children that ignore SIGTERM, a lock), the other saves its work for")
	fmt.Println("12 s. Slurm waits KillWait=30 s for them. The sixth has done its work and never ends, because of a thread")
	fmt.Println("that its program forgot. It takes about a minute and a half.")
	fmt.Println()
	var rows []row
	var acts []act
	for _, with := range []bool{false, true} {
		a, err := play(ctx, bin, with)
		if err != nil {
			return err
		}
		rows, acts = append(rows, a.rows...), append(acts, a)
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "JOB\tLASTCALL\tCOMPLETING\tPROCESSES LEFT\tLOCKS LEFT\tWHAT WAS DONE")
	for _, r := range rows {
		fmt.Fprintf(table, "%s\t%s\t%.1f s\t%d\t%d\t%s\n", r.job, r.lastcall, r.completing.Seconds(), r.processes, r.locks, r.done)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Println("\nThe job that is done and never ends")
	fmt.Printf("  without lastcall: %s\n", acts[0].forgotten)
	fmt.Printf("  with `lastcall inspect`: %s\n", acts[1].forgotten)
	logs := acts[1].log
	fmt.Printf("\nThe record of each job, one JSON object a line: %s\n", logs)
	fmt.Printf("For reading: %s/lastcall log %s\n", bin, logs)
	return nil
}
