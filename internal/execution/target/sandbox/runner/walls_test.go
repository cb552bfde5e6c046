//go:build linux

package runner

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"pagefree/internal/execution/target/sandbox/protocol"
)

// attempts is Python that tries each piece of code, and prints "done" and the
// piece for each that went through.
func attempts(codes ...string) string {
	list, err := json.Marshal(codes)
	if err != nil {
		panic(err)
	}
	return "import os, socket, sys\nfor code in " + string(list) + `:
    try:
        exec(code)
        print('done:', code)
    except BaseException as e:
        print(type(e).__name__, e)
print('all tried')
`
}

// allFailed fails the test for each attempt that went through.
func allFailed(t *testing.T, res protocol.Result) {
	t.Helper()
	exited(t, res, 0)
	if !strings.HasSuffix(res.Stdout, "all tried\n") {
		t.Errorf("not all was tried: %q", brief(res.Stdout))
	}
	for line := range strings.Lines(res.Stdout) {
		if strings.HasPrefix(line, "done:") {
			t.Error(line)
		}
	}
}

// canary writes a file that every user of the machine may read, and returns
// its path and what must not be seen.
func canary(t *testing.T) (path, secret string) {
	t.Helper()
	f, err := os.CreateTemp("/var/tmp", "pagefree-canary-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(f.Name()) })
	defer f.Close()
	secret = rand.Text()
	if _, err := f.WriteString(secret); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(f.Name(), 0o666); err != nil {
		t.Fatal(err)
	}
	return f.Name(), secret
}

func TestFilesOfTheMachineAreOutOfReach(t *testing.T) {
	t.Parallel()
	own, err := filepath.Abs("walls_test.go")
	if err != nil {
		t.Fatal(err)
	}
	each(t, protocol.Python, func(t *testing.T, r *Runner) {
		path, secret := canary(t)
		res := run(t, r, attempts(
			"print(open(os.environ['PF_PATH']).read())",
			"print(open('/proc/self/root' + os.environ['PF_PATH']).read())",
			"print(open('/proc/1/root' + os.environ['PF_PATH']).read())",
			"os.symlink(os.environ['PF_PATH'], 'link'); print(open('link').read())",
			"os.link(os.environ['PF_PATH'], 'link'); print(open('link').read())",
			"open(os.environ['PF_PATH'], 'w').write('overwritten')",
			"os.truncate(os.environ['PF_PATH'], 0)",
			"os.remove(os.environ['PF_PATH'])",
			"os.chmod(os.environ['PF_PATH'], 0)\nassert not os.path.exists('/proc/1')",
			"print(open('/etc/shadow').read())",
			"print(os.listdir('/root'))",
			"print(os.listdir('/home'))",
			"print(open('"+own+"').read(1))",
			"open('/usr/lib/pagefree-was-here', 'w')",
			"open('/etc/pagefree-was-here', 'w')",
			"open('/pagefree-was-here', 'w')",
			"open('/var/tmp/pagefree-was-here', 'w')",
			"os.mkdir('/usr/pagefree-was-here')",
			"os.mknod('null', 0o20666, os.makedev(1, 1))",
			"os.chroot('.')",
			"os.setuid(0)",
		), "PF_PATH", path)
		allFailed(t, res)
		if strings.Contains(res.Stdout, secret) {
			t.Error("the canary was read")
		}
		if now, err := os.ReadFile(path); err != nil || string(now) != secret {
			t.Errorf("the canary holds %q, %v", now, err)
		}
	})
}

func TestWhatAScriptMayWrite(t *testing.T) {
	t.Parallel()
	each(t, protocol.Bash, func(t *testing.T, r *Runner) {
		res := run(t, r, `
echo x > /dev/null || exit 2
echo x > file && mkdir -p a/b && ln -s file link && mkfifo pipe || exit 3
printf '#!/bin/bash\necho ran' > tool && chmod +x tool 2>/dev/null && ./tool
{ echo x > /tmp/pagefree-outside; } 2>/dev/null && echo tmp
exit 0`)
		exited(t, res, 0)
		want := ""
		if r.walls.Namespaces || r.walls.OwnUser { // see ownerCalls
			want = "ran\n"
		}
		if r.walls.Namespaces {
			want += "tmp\n" // a /tmp of its own
		}
		if res.Stdout != want {
			t.Errorf("got %q, want %q", res.Stdout, want)
		}
		if _, err := os.Lstat("/tmp/pagefree-outside"); err == nil {
			t.Error("it reached the machine's /tmp")
		}
	})
}

func TestRunsDoNotSeeEachOther(t *testing.T) {
	t.Parallel()
	each(t, protocol.Bash, func(t *testing.T, r *Runner) {
		mark := "mark-" + rand.Text()
		left := make(chan protocol.Result, 1)
		go func() {
			defer close(left) // run may end this goroutine
			left <- run(t, r, `echo "$PF_MARK" > secret; chmod 777 . secret; cp secret /tmp/secret 2>/dev/null; bash -c 'sleep 2; : '"$PF_MARK"; echo whole`, "PF_MARK", mark)
		}()
		for deadline := 0; alive(mark) == 0 && deadline < 500; deadline++ {
			run(t, r, "sleep 0.01")
		}
		res := run(t, r, `cat /tmp/secret /tmp/*/secret ../*/secret /proc/*/cwd/secret 2>/dev/null
for p in /proc/[0-9]*; do
  [ "${p#/proc/}" = $$ ] && continue
  kill -KILL "${p#/proc/}" 2>/dev/null
  tr '\0' '\n' < $p/environ 2>/dev/null | grep -h PF_ | grep -v PF_OWN
done; echo end`, "PF_OWN", "x")
		if strings.Contains(res.Stdout, mark) || strings.Contains(res.Stderr, mark) {
			t.Errorf("one run saw the other's: %q", res.Stdout)
		}
		if first := <-left; first.ExitCode == nil || first.Stdout != "whole\n" {
			t.Errorf("one run disturbed the other: %+v", first)
		}
	})
}

func TestTheFunctionsMemoryIsOutOfReach(t *testing.T) {
	t.Parallel()
	each(t, protocol.Python, func(t *testing.T, r *Runner) {
		var codes []string
		for _, pid := range []string{strconv.Itoa(os.Getpid()), "os.getppid()", "1"} {
			for _, code := range []string{
				"print(open(f'/proc/{pid}/environ', 'rb').read())",
				"print(open(f'/proc/{pid}/maps').read())",
				"open(f'/proc/{pid}/mem', 'rb+')",
				"print(os.listdir(f'/proc/{pid}/fd'))",
				"print(os.readlink(f'/proc/{pid}/exe'))",
				"print(os.listdir(f'/proc/{pid}/cwd'))",
				"os.kill(pid, 9)",
				"os.kill(pid, 19)",
				"os.kill(pid, 0)",
				"os.setpriority(os.PRIO_PROCESS, pid, 19)",
			} {
				codes = append(codes, "pid = "+pid+"; "+code)
			}
		}
		allFailed(t, run(t, r, attempts(codes...)))
	})
}

// ownAddress is one of this machine's that is not its loopback, if it has any.
func ownAddress() string {
	addresses, _ := net.InterfaceAddrs()
	for _, a := range addresses {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.To4() != nil && !ip.IP.IsLoopback() {
			return ip.IP.String()
		}
	}
	return "127.0.0.1"
}

func TestThereIsNoNetwork(t *testing.T) {
	t.Parallel()
	tcp, err := net.Listen("tcp4", ":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tcp.Close() })
	udp, err := net.ListenPacket("udp4", ":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { udp.Close() })
	name := "pagefree-" + rand.Text()
	abstract, err := net.Listen("unix", "@"+name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { abstract.Close() })
	socket := "/tmp/" + name
	pathname, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pathname.Close() })
	if err := os.Chmod(socket, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, l := range []net.Listener{tcp, abstract, pathname} {
		go func() {
			if c, err := l.Accept(); err == nil {
				t.Errorf("a script reached %v", l.Addr())
				c.Close()
			}
		}()
	}
	go func() {
		if _, from, err := udp.ReadFrom(make([]byte, 1)); err == nil {
			t.Errorf("a datagram came from %v", from)
		}
	}()
	_, tcpPort, _ := net.SplitHostPort(tcp.Addr().String())
	_, udpPort, _ := net.SplitHostPort(udp.LocalAddr().String())

	for language, scripts := range map[protocol.Language][]string{
		protocol.Bash: {
			"(: < /dev/tcp/127.0.0.1/$PF_TCP) 2>/dev/null && echo done; exit 0",
			"(: < /dev/tcp/$PF_OWN/$PF_TCP) 2>/dev/null && echo done; exit 0",
			"(echo x > /dev/udp/127.0.0.1/$PF_UDP) 2>/dev/null && echo done; exit 0",
		},
		protocol.Python: {attempts(
			"socket.create_connection(('127.0.0.1', int(os.environ['PF_TCP'])), 2)",
			"socket.create_connection((os.environ['PF_OWN'], int(os.environ['PF_TCP'])), 2)",
			"socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', (os.environ['PF_OWN'], int(os.environ['PF_UDP'])))",
			"socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262).connect(('127.0.0.1', int(os.environ['PF_TCP'])))",
			"socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', int(os.environ['PF_UDP'])))",
			"socket.socket(socket.AF_INET6, socket.SOCK_STREAM).connect(('::ffff:127.0.0.1', int(os.environ['PF_TCP'])))",
			"socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)",
			"socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
			"socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).bind((0, 1))\nassert len(socket.if_nameindex()) > 1",
			"socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)",
			"socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET)",
			"s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()\nc = socket.create_connection(s.getsockname(), 2)",
			"socket.getaddrinfo('example.com', 443)",
			"socket.socket(socket.AF_UNIX).connect('\\0' + os.environ['PF_NAME'])",
			"socket.socket(socket.AF_UNIX).connect('/tmp/' + os.environ['PF_NAME'])",
			"socket.socket(socket.AF_UNIX).connect('/proc/1/root/tmp/' + os.environ['PF_NAME'])",
		)},
		protocol.JavaScript: {
			"require('net').connect(process.env.PF_TCP, '127.0.0.1').on('connect', () => console.log('done')).on('error', () => {})",
			"require('dns').resolve('example.com', (e) => e || console.log('done'))",
			"const r = new (require('dns').Resolver)({ timeout: 500, tries: 1 }); r.setServers(['127.0.0.1:' + process.env.PF_UDP]); r.resolve4('example.com', () => {})",
			"require('net').connect({ path: '\\0' + process.env.PF_NAME }).on('connect', () => console.log('done')).on('error', () => {})",
			"require('net').connect({ path: '/tmp/' + process.env.PF_NAME }).on('connect', () => console.log('done')).on('error', () => {})",
			"require('net').connect(process.env.PF_TCP, process.env.PF_OWN).on('connect', () => console.log('done')).on('error', () => {})",
			"const s = require('dgram').createSocket('udp4'); s.on('error', () => {}); s.send('x', Number(process.env.PF_UDP), '127.0.0.1', (e) => { e || console.log('done'); s.close() })",
		},
	} {
		t.Run(string(language), func(t *testing.T) {
			each(t, language, func(t *testing.T, r *Runner) {
				for _, script := range scripts {
					res := run(t, r, script, "PF_TCP", tcpPort, "PF_UDP", udpPort, "PF_NAME", name, "PF_OWN", ownAddress())
					if language == protocol.Python {
						allFailed(t, res)
					} else if strings.Contains(res.Stdout, "done") {
						t.Errorf("%s\n%s", script, res.Stdout)
					}
				}
			})
		})
	}
}

func TestDangerousCallsFail(t *testing.T) {
	t.Parallel()
	const call = `
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *args):
    return -1 if libc.syscall(number, *args) >= 0 else ctypes.get_errno()
`
	each(t, protocol.Python, func(t *testing.T, r *Runner) {
		if !r.walls.Seccomp {
			if !strings.Contains(strings.Join(r.Confinement().Missing, "\n"), "seccomp") {
				t.Errorf("no filter, and it is not said: %+v", r.Confinement())
			}
			return
		}
		var script strings.Builder
		script.WriteString(call)
		for _, number := range deniedCalls {
			fmt.Fprintf(&script, "print(%d, call(%d, 0, 0, 0, 0, 0, 0))\n", number, number)
		}
		res := run(t, r, script.String())
		exited(t, res, 0)
		if n := strings.Count(res.Stdout, "\n"); n != len(deniedCalls) {
			t.Fatalf("%d lines for %d calls", n, len(deniedCalls))
		}
		for line := range strings.Lines(res.Stdout) {
			if number, errno, _ := strings.Cut(strings.TrimSpace(line), " "); errno != "1" { // EPERM
				t.Errorf("call %s gives %s", number, errno)
			}
		}
		exited(t, run(t, r, `
import ctypes, os, socket, threading, multiprocessing
libc = ctypes.CDLL(None, use_errno=True)
assert libc.unshare(0x10000000) == -1           # CLONE_NEWUSER
assert libc.syscall(56 if os.uname().machine == 'x86_64' else 220, 0x10000011, 0, 0, 0, 0) == -1
socket.socketpair()
t = threading.Thread(target=lambda: None); t.start(); t.join()
assert os.spawnlp(os.P_WAIT, 'true', 'true') == 0
if '/tmp/run' == os.getcwd():
    with multiprocessing.Pool(2) as pool: assert pool.map(abs, [-1, -2]) == [1, 2]
`), 0)
	})
}

func TestLimitsAreSet(t *testing.T) {
	t.Parallel()
	each(t, protocol.Python, func(t *testing.T, r *Runner) {
		allFailed(t, run(t, r, attempts(
			"import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nopen('f', 'wb').truncate(300 << 20)",
			"b = bytearray(600 << 20)",
			"l = [open('/dev/null') for _ in range(1100)]",
			"import resource; resource.setrlimit(resource.RLIMIT_DATA, (1 << 40, 1 << 40))",
			"import ctypes; assert ctypes.CDLL(None).mq_open(b'/q', 66, 0o600, 0) >= 0",
			"assert 'NoNewPrivs:\\t0' in open('/proc/self/status').read()",
			"import resource; assert resource.getrlimit(resource.RLIMIT_CORE)[1] != 0",
		)))
	})
	each(t, protocol.Bash, func(t *testing.T, r *Runner) {
		exited(t, run(t, r, `[ "$(ulimit -Hv)/$(ulimit -Hd)" = 1048576/524288 ]`), 0)
		if r.walls.Namespaces {
			exited(t, run(t, r, `[ "$(df -k --output=size /tmp | tail -1)" -le 524288 ] && [ "$(df --output=itotal /tmp | tail -1)" -le 32768 ]`), 0)
		}
	})
	each(t, protocol.JavaScript, func(t *testing.T, r *Runner) {
		res := run(t, r, "const all = []; for (let i = 0; i < 1000; i++) all.push(Buffer.alloc(10 << 20, 1)); console.log('done')")
		if strings.Contains(res.Stdout, "done") {
			t.Error("10 GB of memory were given")
		}
	})
}

func TestProcessesAreCounted(t *testing.T) {
	t.Parallel()
	each(t, protocol.Python, func(t *testing.T, r *Runner) {
		allFailed(t, run(t, r, attempts("import time\nfor _ in range(200):\n  if os.fork() == 0: time.sleep(20); os._exit(0)")))
	})
}

func TestOthersAreNotTouched(t *testing.T) {
	t.Parallel()
	each(t, protocol.Bash, func(t *testing.T, r *Runner) {
		other := exec.Command("sleep", "60")
		if err := other.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() { other.Process.Kill(); other.Wait() }()
		run(t, r, "kill -KILL $PF_PID; kill -KILL -1; kill -KILL 0; exit 0", "PF_PID", strconv.Itoa(other.Process.Pid))
		if p, ok := look(other.Process.Pid); !ok || p.zombie {
			t.Error("it was killed")
		}
	})
}
