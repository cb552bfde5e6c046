package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"pagefree/infra/local/template"
)

// registry is where the base images of Lambda come from.
const registry = "public.ecr.aws/lambda/"

// docker is a Docker engine.
type docker struct {
	host   string // DOCKER_HOST
	bridge string // this machine's address on its default network, which containers reach
	out    io.Writer
	daemon *exec.Cmd // if we started it
	dir    string    // its socket and lock files
}

// startDocker finds an engine that answers, or starts one.
func startDocker(ctx context.Context, out io.Writer) (*docker, error) {
	if _, err := exec.LookPath("docker"); err != nil {
		return nil, errors.New("docker is missing: sam local runs functions in containers (Debian: apt-get install docker.io busybox-static)")
	}
	d := &docker{host: os.Getenv("DOCKER_HOST"), out: out}
	if d.host == "" {
		d.host = "unix:///var/run/docker.sock"
	}
	if err := d.run(ctx, nil, nil, "info"); err != nil {
		if err := d.start(ctx); err != nil {
			return nil, errors.Join(err, d.close())
		}
	}
	var gateway bytes.Buffer
	if err := d.run(ctx, nil, &gateway, "network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}"); err != nil {
		return nil, errors.Join(err, d.close())
	}
	d.bridge = strings.TrimSpace(gateway.String())
	if net.ParseIP(d.bridge) == nil { // an engine that has had no container yet
		d.bridge = "172.17.0.1"
	}
	return d, nil
}

// start runs dockerd until close. What it stores stays in .local/docker, since base images take a while.
func (d *docker) start(ctx context.Context) error {
	daemon, err := exec.LookPath("dockerd")
	if err != nil || os.Getuid() != 0 {
		return errors.New("no Docker engine answers, and this user cannot start one (it takes dockerd and root): start Docker, or set DOCKER_HOST")
	}
	data, err := filepath.Abs(filepath.Join(".local", "docker"))
	if err != nil {
		return err
	}
	if d.dir, err = os.MkdirTemp("", "pagefree-docker-"); err != nil { // a socket's path has to be short
		return err
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(data, "dockerd.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	fmt.Fprintln(d.out, "starting dockerd")
	d.host = "unix://" + filepath.Join(d.dir, "sock")
	d.daemon = exec.Command(daemon, "--host", d.host, "--data-root", filepath.Join(data, "data"), "--exec-root", filepath.Join(d.dir, "exec"),
		"--pidfile", filepath.Join(d.dir, "pid"), "--storage-driver", "overlay2")
	d.daemon.Stdout, d.daemon.Stderr = log, log
	if err := d.daemon.Start(); err != nil {
		d.daemon = nil
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for d.run(ctx, nil, nil, "info") != nil {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("dockerd does not answer: see %s", log.Name())
		}
	}
	return nil
}

// close ends the engine if we started it.
func (d *docker) close() error {
	if d.daemon == nil {
		return nil
	}
	_ = d.daemon.Process.Signal(os.Interrupt) // it may have ended
	_ = d.daemon.Wait()                       // by our own signal
	d.daemon = nil
	return os.RemoveAll(d.dir)
}

// run calls the docker client.
func (d *docker) run(ctx context.Context, in io.Reader, out io.Writer, args ...string) error {
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.Env = append(os.Environ(), "DOCKER_HOST="+d.host)
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, &stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("docker %s: %w: %s", args[0], err, bytes.TrimSpace(stderr.Bytes()))
	}
	return nil
}

// images sees to a base image for every runtime of the template.
func (d *docker) images(ctx context.Context, t *template.Template) error {
	var runtimes []string
	for _, f := range t.Functions {
		runtimes = append(runtimes, f.Runtime)
	}
	slices.Sort(runtimes)
	for _, name := range slices.Compact(runtimes) {
		image := registry + tag(name) + "-" + machine()
		if d.run(ctx, nil, nil, "image", "inspect", image) == nil {
			continue
		}
		pulling, cancel := context.WithTimeout(ctx, 3*time.Minute)
		err := d.run(pulling, nil, nil, "pull", "--quiet", image)
		cancel()
		if err == nil {
			continue
		}
		fmt.Fprintf(d.out, "%s cannot be pulled: making it from this machine's own programs\n", image)
		if err := d.makeImage(ctx, image, name); err != nil {
			return fmt.Errorf("make %s: %w", image, err)
		}
	}
	return ctx.Err()
}

// tag is how the registry names a runtime: provided.al2023 is provided:al2023, python3.13 python:3.13, nodejs22.x nodejs:22.
func tag(runtime string) string {
	name := strings.TrimRight(runtime, "0123456789.x")
	switch {
	case strings.HasPrefix(runtime, "provided."):
		return strings.Replace(runtime, ".", ":", 1)
	case strings.HasSuffix(runtime, ".x"):
		return name + ":" + strings.TrimSuffix(strings.TrimPrefix(runtime, name), ".x")
	}
	return name + ":" + strings.TrimPrefix(runtime, name)
}
