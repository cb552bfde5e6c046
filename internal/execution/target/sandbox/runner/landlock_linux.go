package runner

import (
	"github.com/landlock-lsm/go-landlock/landlock"
	abi "github.com/landlock-lsm/go-landlock/landlock/syscall"
)

// landlockVersion is what the kernel speaks, 0 for not at all.
func landlockVersion() int {
	version, err := abi.LandlockGetABIVersion()
	if err != nil {
		return 0
	}
	return version
}

// systemDirs hold programs and libraries; none of them holds a secret that
// every user of a machine may read. /etc is not among them as a whole.
var systemDirs = []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"}

// systemFiles are what programs commonly read in /etc.
var systemFiles = []string{
	"/etc/alternatives", "/etc/ca-certificates", "/etc/crypto-policies", "/etc/ld.so.cache", "/etc/ld.so.conf",
	"/etc/ld.so.conf.d", "/etc/localtime", "/etc/mime.types", "/etc/os-release", "/etc/pki", "/etc/protocols",
	"/etc/services", "/etc/ssl", "/etc/timezone",
}

// accountFiles are needed beside them where there is no root of our own that
// has its own.
var accountFiles = []string{"/etc/group", "/etc/hosts", "/etc/nsswitch.conf", "/etc/passwd"}

// devices that are harmless.
var devices = []string{"/dev/full", "/dev/null", "/dev/random", "/dev/urandom", "/dev/zero"}

// restrictPaths lets this process and what it becomes read the system, write
// the work directory, and reach nothing else: no other file, no TCP port
// (from ABI 4 on), no process outside (from ABI 6 on).
func restrictPaths(s spec) error {
	var rules []landlock.Rule
	write := s.Dir
	if s.Walls.Namespaces {
		// The root is made of what may be read, and /tmp is the run's own.
		rules = append(rules, landlock.RODirs("/"))
		write = privateTmp
	} else {
		rules = append(rules, landlock.RODirs(systemDirs...).IgnoreIfMissing(), landlock.RODirs("/proc").IgnoreIfMissing())
		for _, path := range append(append(s.Readable, systemFiles...), accountFiles...) {
			if isDir(path) {
				rules = append(rules, landlock.RODirs(path))
			} else {
				rules = append(rules, landlock.ROFiles(path).IgnoreIfMissing())
			}
		}
		if s.Lambda {
			rules = append(rules, landlock.RODirs("/var/lang", "/opt").IgnoreIfMissing())
			write = privateTmp // wiped after each run
		}
	}
	tmp := landlock.RWDirs(write)
	if s.Walls.Landlock > 1 {
		tmp = tmp.WithRefer() // renaming from one directory into another
	}
	rules = append(rules, tmp, landlock.RWFiles(devices...).IgnoreIfMissing())
	return landlock.V11.BestEffort().Restrict(rules...)
}
