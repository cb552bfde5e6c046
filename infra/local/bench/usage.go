package bench

import (
	"cmp"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Who the time of an execution goes to.
const (
	byEngine     = "DynamoDB engine"
	byDispatcher = "dispatcher"
	bySandbox    = "sandbox function"
	byScripts    = "processes below it: walls, bash, their end"
	byOthers     = "other functions: the audit trail is sealed meanwhile"
	byStack      = "local stack: queue, KMS, Lambda service, IAM, counting, echo"
)

// Who the time of a view goes to, and that of a hook.
const (
	byAuthorizer = "authorizer"
	byPages      = "the pages' function"
	byBare       = "the bare function"
	byRecord     = "function that records and counts looks, afterwards too"
	byHooks      = "the hooks' function"
	byGateway    = "local stack: gateway, queue, Lambda service, IAM, counting; and who asks"
)

// spent makes the rows that say which process the time of something goes to: ms by pid, as usage tells, for a number of
// times. names are the functions of processes. by says who a function's time goes to, and under its id and a slash who that
// of what is below it; order is the order of the rows, the stack's own at the end.
func (w *work) spent(title string, used map[string]float64, times int, names, by map[string]string, order ...string) {
	self := strconv.Itoa(os.Getpid())
	sums := map[string]float64{}
	for pid, ms := range used {
		own, below := filepath.Split(pid)
		switch {
		case own == "" && below == self:
			sums[order[len(order)-1]] += ms
		case own == "" && names[below] == "":
			sums[byEngine] += ms
		case own == "":
			sums[cmp.Or(by[names[below]], byOthers)] += ms
		case by[names[filepath.Clean(own)]+"/"] != "":
			sums[by[names[filepath.Clean(own)]+"/"]] += ms
		}
	}
	g := group{title: title + ": ms of a core for each, over all of them"}
	for _, name := range order {
		if ms := sums[name]; ms > 0 {
			g.rows = append(g.rows, row{name: name, cells: map[column][]float64{took: {ms / float64(times)}}})
		}
	}
	w.shares = append(w.shares, g)
}

// processes adds those that functions have now to names, which lead from a pid to a function.
func (w *work) processes(names map[string]string) map[string]string {
	for _, s := range w.stack.Functions().Instances() {
		names[strconv.Itoa(s.PID)] = s.Function
	}
	return names
}

// usage is the time that this process and those below it have used, in ms, by
// pid; that of children which have ended is under "<pid>/children". Source:
// proc(5), fields 14 to 17 of stat, in hundredths of a second.
func usage() map[string]float64 {
	out := map[string]float64{}
	known := map[int]bool{os.Getpid(): true}
	for grown := true; grown; {
		grown = false
		dirs, _ := os.ReadDir("/proc")
		for _, d := range dirs {
			pid, err := strconv.Atoi(d.Name())
			if err != nil {
				continue
			}
			f := statOf(pid)
			if len(f) < 15 {
				continue
			}
			parent, _ := strconv.Atoi(f[1])
			if !known[pid] && known[parent] {
				known[pid], grown = true, true
			}
			if known[pid] {
				out[d.Name()] = ticks(f[11]) + ticks(f[12])
				out[d.Name()+"/children"] = ticks(f[13]) + ticks(f[14])
			}
		}
	}
	return out
}

// statOf are the fields of a process's stat from the third on, after its name, which may hold anything.
func statOf(pid int) []string {
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return nil
	}
	_, rest, _ := cutLast(string(raw), ") ")
	return strings.Fields(rest)
}

func ticks(field string) float64 {
	n, _ := strconv.ParseFloat(field, 64)
	return n * 10
}

func cutLast(s, sep string) (before, after string, found bool) {
	if at := strings.LastIndex(s, sep); at >= 0 {
		return s[:at], s[at+len(sep):], true
	}
	return "", s, false
}
