package main

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// debPackage is what the demo takes from a stanza of a package index.
type debPackage struct {
	name, version, arch        string
	section, priority, summary string
	maintainer                 string
	installed                  int64 // KiB on disk
	download                   int64 // bytes; 0 where the index does not tell
	dependencies               []dependency
}

// dependency is one alternative of one relation of a package.
type dependency struct {
	kind        string // Depends, Recommends …
	group       int    // alternatives of one relation share it
	alternative int
	target      string // package or virtual package
	version     string // such as ">= 2.36", or ""
}

// relations are the fields that make dependencies.
var relations = []string{"Pre-Depends", "Depends", "Recommends", "Suggests"}

const (
	aptLists   = "/var/lib/apt/lists"
	aptHelper  = "/usr/lib/apt/apt-helper"
	dpkgStatus = "/var/lib/dpkg/status"
)

// machineIndexes returns apt's lists of binary packages, or dpkg's status file
// where there are none.
func machineIndexes() ([]string, error) {
	files, err := filepath.Glob(filepath.Join(aptLists, "*_Packages*"))
	if err != nil {
		return nil, err
	}
	if len(files) > 0 {
		return files, nil
	}
	if _, err := os.Stat(dpkgStatus); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("this machine has neither %s/*_Packages nor %s: name a package index with -index", aptLists, dpkgStatus)
		}
		return nil, err
	}
	return []string{dpkgStatus}, nil
}

// openIndex opens an index. Where it is compressed by other means than gzip,
// apt's own helper reads it.
func openIndex(ctx context.Context, name string) (io.ReadCloser, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	switch filepath.Ext(name) {
	case ".gz":
		z, err := gzip.NewReader(f)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", name, err), f.Close())
		}
		return struct {
			io.Reader
			io.Closer
		}{z, f}, nil
	case ".lz4", ".xz", ".zst", ".bz2", ".lzma":
		f.Close()
		return catFile(ctx, name)
	}
	return f, nil
}

// command is the output of a process; Close waits for its end.
type command struct {
	io.Reader
	cmd    *exec.Cmd
	stderr bytes.Buffer
}

func catFile(ctx context.Context, name string) (io.ReadCloser, error) {
	c := &command{cmd: exec.CommandContext(ctx, aptHelper, "cat-file", name)}
	c.cmd.Stderr = &c.stderr
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.Reader = stdout
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("reading %s needs %s: %w", name, aptHelper, err)
	}
	return c, nil
}

func (c *command) Close() error {
	// What is not read yet would keep the process waiting.
	if _, err := io.Copy(io.Discard, c.Reader); err != nil {
		return errors.Join(err, c.cmd.Wait())
	}
	if err := c.cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w: %s", c.cmd, err, strings.TrimSpace(c.stderr.String()))
	}
	return nil
}

// readIndexes returns the packages of the files by name, of each name the newest
// version alone, and at most limit unless that is 0.
func readIndexes(ctx context.Context, files []string, limit int, progress func(n, total int)) ([]debPackage, error) {
	newest := map[string]debPackage{}
	for _, name := range files {
		f, err := openIndex(ctx, name)
		if err != nil {
			return nil, err
		}
		err = parseIndex(f, func(p debPackage) error {
			if old, ok := newest[p.name]; !ok || compareVersions(old.version, p.version) < 0 {
				newest[p.name] = p
			}
			progress(len(newest), 0)
			return ctx.Err()
		})
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	packages := make([]debPackage, 0, len(newest))
	for _, p := range newest {
		packages = append(packages, p)
	}
	slices.SortFunc(packages, func(a, b debPackage) int { return cmp.Compare(a.name, b.name) })
	if limit > 0 && len(packages) > limit {
		packages = packages[:limit]
	}
	return packages, nil
}

// parseIndex calls found for each package of a file of stanzas, as deb-control(5)
// describes them. In dpkg's status file those that are not installed are left
// out.
func parseIndex(r io.Reader, found func(debPackage) error) error {
	in := bufio.NewScanner(r)
	in.Buffer(nil, 16<<20)
	fields := map[string]string{}
	flush := func() error {
		defer clear(fields)
		status, ok := fields["Status"]
		if fields["Package"] == "" || ok && status != "install ok installed" {
			return nil
		}
		return found(fromFields(fields))
	}
	for in.Scan() {
		line := in.Text()
		if line == "" {
			if err := flush(); err != nil {
				return err
			}
			continue
		}
		// A line that begins with white space continues a long text of which
		// the first line is enough.
		if name, value, ok := strings.Cut(line, ":"); ok && line[0] != ' ' && line[0] != '\t' {
			fields[name] = strings.TrimSpace(value)
		}
	}
	if err := in.Err(); err != nil {
		return err
	}
	return flush()
}

func fromFields(fields map[string]string) debPackage {
	number := func(name string) int64 {
		n, _ := strconv.ParseInt(fields[name], 10, 64) // absent: 0
		return n
	}
	p := debPackage{
		name:       fields["Package"],
		version:    fields["Version"],
		arch:       fields["Architecture"],
		section:    cmp.Or(fields["Section"], "unknown"),
		priority:   cmp.Or(fields["Priority"], "optional"),
		summary:    fields["Description"],
		maintainer: cmp.Or(fields["Maintainer"], "nobody"),
		installed:  number("Installed-Size"),
		download:   number("Size"),
	}
	group := 0
	for _, kind := range relations {
		if fields[kind] == "" {
			continue
		}
		for relation := range strings.SplitSeq(fields[kind], ",") {
			group++
			for i, text := range strings.Split(relation, "|") {
				if d, ok := parseDependency(text); ok {
					d.kind, d.group, d.alternative = kind, group, i+1
					p.dependencies = append(p.dependencies, d)
				}
			}
		}
	}
	return p
}

// parseDependency reads "name:arch (>= version) [archs]".
func parseDependency(text string) (dependency, bool) {
	name, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	name, _, _ = strings.Cut(name, ":")
	if i := strings.IndexByte(name, '('); i >= 0 {
		name, rest = name[:i], name[i:]+rest
	}
	var version string
	if _, after, ok := strings.Cut(rest, "("); ok {
		version, _, _ = strings.Cut(after, ")")
	}
	return dependency{target: name, version: strings.TrimSpace(version)}, name != ""
}
