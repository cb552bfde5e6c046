package stack

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestMain lets the test binary be a stack of its own, for the test that kills one.
func TestMain(m *testing.M) {
	if os.Getenv("PAGEFREE_TEST_STACK") == "" {
		os.Exit(m.Run())
	}
	s, err := Start(context.Background(), Options{Template: fixture})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(s.URL, s.Dir)
	select {}
}

// TestNothingOutlivesAKilledStack: kill -9 leaves it no chance to clean up, and yet nothing runs on.
func TestNothingOutlivesAKilledStack(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "PAGEFREE_TEST_STACK=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), "http://") {
		t.Fatalf("it says %q", lines.Text())
	}
	url, dir, _ := strings.Cut(lines.Text(), " ")
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	pid, err := strconv.Atoi(mustGet(t, url+"/pid/"))
	if err != nil {
		t.Fatal(err)
	}
	below, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", cmd.Process.Pid, cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	pids := []int{pid}
	for field := range strings.FieldsSeq(string(below)) {
		if child, err := strconv.Atoi(field); err == nil {
			pids = append(pids, child)
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	for _, pid := range pids {
		waitFor(t, fmt.Sprintf("the end of process %d", pid), func() bool {
			stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
			return syscall.Kill(pid, 0) != nil || err != nil || strings.Contains(string(stat), ") Z ")
		})
	}
}
