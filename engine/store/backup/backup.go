// Package backup keeps copies of databases' files in a directory: several
// backups, which share the files that they have in common.
//
//	kalam-backup        magic and format; locked while the directory is in use
//	000001.json …       a manifest for each backup, written last: its files with
//	                    sizes and checksums, then a checksum of its own
//	files/SHA256        content, under its checksum
//
// A file whose name, size and time are those of the backup before, of the same
// database, is not read again: table files never change.
package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

const (
	magicFile = "kalam-backup"
	magic     = "kalam backup\n"
	format    = 1
	filesDir  = "files"
)

// Manifest describes a backup.
type Manifest struct {
	Format    int
	Number    int
	Created   time.Time
	Namespace string // "": a whole database
	Source    string // tells databases apart
	Files     []File
}

// File is a file of a backup.
type File struct {
	Name     string
	Size     int64
	SHA256   string
	Modified time.Time
}

// Bytes returns the size of all files.
func (m *Manifest) Bytes() (n int64) {
	for _, f := range m.Files {
		n += f.Size
	}
	return n
}

// Progress tells how far a backup or restore is.
type Progress struct {
	Done, Total int64 // bytes
}

// Result says what Create did.
type Result struct {
	Manifest
	CopiedFiles int
	CopiedBytes int64 // the rest was there from earlier backups
}

// Dir is a backup directory in use.
type Dir struct {
	path string
	lock *os.File
}

// Open opens a backup directory to read it, or with create to add to it, and
// makes it then if it is missing. Errors: sqlerr.NotABackup, NewerFormat, and
// BackupInUse while somebody else writes to it.
func Open(path string, create bool) (*Dir, error) {
	if create {
		if err := initialise(path); err != nil {
			return nil, err
		}
	}
	f, err := os.Open(filepath.Join(path, magicFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, sqlerr.NotABackup.New("%q holds no backup", path)
	}
	if err != nil {
		return nil, failure(path, err)
	}
	d := &Dir{path: path, lock: f}
	how := syscall.LOCK_SH
	if create {
		how = syscall.LOCK_EX
	}
	if err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, sqlerr.BackupInUse.New("backup directory %q is in use", path)
	}
	content, err := io.ReadAll(io.LimitReader(f, 100))
	n, isMagic := bytes.CutPrefix(content, []byte(magic))
	version, err2 := strconv.Atoi(string(bytes.TrimSpace(n)))
	switch {
	case err != nil:
		err = failure(path, err)
	case !isMagic || err2 != nil:
		err = sqlerr.NotABackup.New("%q holds no backup: its file %s is another one", path, magicFile)
	case version > format:
		err = sqlerr.NewerFormat.New("backup %q has format %d; this Kalam reads up to %d", path, version, format)
	}
	if err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// initialise makes a directory, or takes an empty one.
func initialise(path string) error {
	list, err := os.ReadDir(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := os.Mkdir(path, 0o700); err != nil {
			return failure(path, err)
		}
	case err != nil:
		return failure(path, err)
	case slices.ContainsFunc(list, func(f fs.DirEntry) bool { return f.Name() == magicFile }):
		return nil
	case slices.ContainsFunc(list, func(f fs.DirEntry) bool { return !strings.HasSuffix(f.Name(), ".tmp") }):
		return sqlerr.NotABackup.New("%q is not empty and holds no backup", path)
	}
	return writeFile(path, magicFile, fmt.Appendf(nil, "%s%d\n", magic, format))
}

// Close ends the use of the directory.
func (d *Dir) Close() error { return d.lock.Close() }

// failure makes an error of the system's.
func failure(path string, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return sqlerr.DiskFull.Wrap(err, "no room for backup %q: %v", path, err)
	}
	if sqlerr.As(err) != nil {
		return err
	}
	return sqlerr.StorageIO.Wrap(err, "backup %q: %v", path, err)
}

// writeFile puts a file with content into a directory, all or nothing.
func writeFile(dir, name string, content []byte) error {
	tmp := filepath.Join(dir, name+".tmp")
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err == nil {
		_, err = f.Write(content)
		err = errors.Join(err, f.Sync(), f.Close())
	}
	if err == nil {
		err = os.Rename(tmp, filepath.Join(dir, name))
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		os.Remove(tmp)
		return failure(dir, err)
	}
	return nil
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func manifestName(number int) string { return fmt.Sprintf("%06d.json", number) }

// Numbers returns the numbers of the backups, the oldest first.
func (d *Dir) Numbers() ([]int, error) {
	list, err := os.ReadDir(d.path)
	if err != nil {
		return nil, failure(d.path, err)
	}
	var numbers []int
	for _, f := range list {
		if base, ok := strings.CutSuffix(f.Name(), ".json"); ok {
			if n, err := strconv.Atoi(base); err == nil && n > 0 {
				numbers = append(numbers, n)
			}
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// Manifest reads a backup's manifest; 0 stands for the last one's.
func (d *Dir) Manifest(number int) (*Manifest, error) {
	if number == 0 {
		numbers, err := d.Numbers()
		if err != nil {
			return nil, err
		}
		if len(numbers) == 0 {
			return nil, sqlerr.NotABackup.New("%q holds no complete backup", d.path)
		}
		number = numbers[len(numbers)-1]
	}
	content, err := os.ReadFile(filepath.Join(d.path, manifestName(number)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, sqlerr.NotABackup.New("%q holds no backup number %d", d.path, number)
	}
	if err != nil {
		return nil, failure(d.path, err)
	}
	text, sum, ok := bytes.Cut(content, []byte("\n"))
	m := &Manifest{}
	own := sha256.Sum256(text)
	if !ok || string(bytes.TrimSpace(sum)) != hex.EncodeToString(own[:]) || json.Unmarshal(text, m) != nil || m.Number != number {
		return nil, d.damaged("its manifest %s is damaged", manifestName(number))
	}
	if m.Format > format {
		return nil, sqlerr.NewerFormat.New("backup %d of %q has format %d; this Kalam reads up to %d", number, d.path, m.Format, format)
	}
	for _, f := range m.Files {
		if f.Name != filepath.Base(f.Name) || len(f.SHA256) != 2*sha256.Size || f.Size < 0 {
			return nil, d.damaged("its manifest %s names a file %q", manifestName(number), f.Name)
		}
	}
	return m, nil
}

func (d *Dir) damaged(what string, args ...any) error {
	return sqlerr.Corrupt.New("backup %q is damaged: %s", d.path, fmt.Sprintf(what, args...))
}

func (d *Dir) content(sum string) string { return filepath.Join(d.path, filesDir, sum) }

// Create adds the files of a directory as a backup. Of m it takes Namespace and
// Source. Nothing of it counts until it is complete.
func (d *Dir) Create(ctx context.Context, from string, m Manifest, progress func(Progress)) (*Result, error) {
	numbers, err := d.Numbers()
	if err != nil {
		return nil, err
	}
	m.Format, m.Number, m.Created, m.Files = format, 1, time.Now().UTC(), nil
	known := map[File]string{} // to checksums
	if n := len(numbers); n > 0 {
		m.Number = numbers[n-1] + 1
		if before, err := d.Manifest(numbers[n-1]); err == nil && before.Source == m.Source && m.Source != "" {
			for _, f := range before.Files {
				known[File{Name: f.Name, Size: f.Size, Modified: f.Modified}] = f.SHA256
			}
		}
	}
	if err := os.MkdirAll(filepath.Join(d.path, filesDir), 0o700); err != nil {
		return nil, failure(d.path, err)
	}
	list, err := os.ReadDir(from)
	if err != nil {
		return nil, failure(from, err)
	}
	var p Progress
	for _, e := range list {
		info, err := e.Info()
		if err != nil {
			return nil, failure(from, err)
		}
		if !info.Mode().IsRegular() || !wanted(e.Name()) {
			continue
		}
		m.Files = append(m.Files, File{Name: e.Name(), Size: info.Size(), Modified: info.ModTime().UTC()})
		p.Total += info.Size()
	}
	r := &Result{}
	for i := range m.Files {
		f := &m.Files[i]
		f.SHA256 = known[*f]
		if filepath.Ext(f.Name) == ".sst" && f.SHA256 != "" && d.has(*f) {
			p.Done += f.Size
			continue
		}
		new, err := d.add(ctx, filepath.Join(from, f.Name), f, func(n int64) {
			p.Done += n
			if progress != nil {
				progress(p)
			}
		})
		if err != nil {
			return nil, err
		}
		if new {
			r.CopiedFiles++
			r.CopiedBytes += f.Size
		}
	}
	if progress != nil {
		progress(p)
	}
	if err := syncDir(filepath.Join(d.path, filesDir)); err != nil {
		return nil, failure(d.path, err)
	}
	text, err := json.Marshal(m)
	if err != nil {
		return nil, failure(d.path, err)
	}
	own := sha256.Sum256(text)
	if err := writeFile(d.path, manifestName(m.Number), fmt.Appendf(text, "\n%x\n", own)); err != nil {
		return nil, err
	}
	r.Manifest = m
	return r, nil
}

// wanted leaves out what RocksDB makes anew.
func wanted(name string) bool {
	return name != "LOCK" && name != "LOG" && name != "IDENTITY" && !strings.HasPrefix(name, "LOG.old")
}

func (d *Dir) has(f File) bool {
	info, err := os.Stat(d.content(f.SHA256))
	return err == nil && info.Size() == f.Size
}

// add copies a file unless its content is there, and sets its checksum.
func (d *Dir) add(ctx context.Context, from string, f *File, step func(int64)) (new bool, err error) {
	src, err := os.Open(from)
	if err != nil {
		return false, failure(from, err)
	}
	defer src.Close()
	tmp, err := os.CreateTemp(filepath.Join(d.path, filesDir), "*.tmp")
	if err != nil {
		return false, failure(d.path, err)
	}
	defer os.Remove(tmp.Name())
	h := sha256.New()
	n, err := copyFile(ctx, io.MultiWriter(tmp, h), src, step)
	if err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return false, failure(d.path, err)
	}
	f.Size, f.SHA256 = n, hex.EncodeToString(h.Sum(nil))
	if d.has(*f) {
		return false, nil
	}
	if err := os.Rename(tmp.Name(), d.content(f.SHA256)); err != nil {
		return false, failure(d.path, err)
	}
	return true, nil
}

// copyFile copies until ctx ends.
func copyFile(ctx context.Context, dst io.Writer, src io.Reader, step func(int64)) (total int64, err error) {
	buf := make([]byte, 1<<20)
	for {
		if err := ctx.Err(); err != nil {
			return total, sqlerr.Interrupted.Wrap(err, "Query execution was interrupted")
		}
		n, err := src.Read(buf)
		if n > 0 {
			if _, err := dst.Write(buf[:n]); err != nil {
				return total, err
			}
			total += int64(n)
			step(int64(n))
		}
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// Purge removes all but the last backups, and files that belong to none.
func (d *Dir) Purge(keep int) error {
	numbers, err := d.Numbers()
	if err != nil {
		return err
	}
	if n := len(numbers) - keep; keep > 0 && n > 0 {
		for _, old := range numbers[:n] {
			if err := os.Remove(filepath.Join(d.path, manifestName(old))); err != nil {
				return failure(d.path, err)
			}
		}
		numbers = numbers[n:]
	}
	used := map[string]bool{}
	for _, n := range numbers {
		m, err := d.Manifest(n)
		if err != nil {
			return err // its files can't be told from others
		}
		for _, f := range m.Files {
			used[f.SHA256] = true
		}
	}
	list, err := os.ReadDir(filepath.Join(d.path, filesDir))
	if err != nil {
		return failure(d.path, err)
	}
	for _, f := range list {
		if !used[f.Name()] {
			if err := os.Remove(d.content(f.Name())); err != nil {
				return failure(d.path, err)
			}
		}
	}
	return nil
}

// Verify reads all files of a backup and compares their checksums.
func (d *Dir) Verify(ctx context.Context, m *Manifest, progress func(Progress)) error {
	return d.each(ctx, m, progress, func(File) (io.WriteCloser, error) { return discard{}, nil })
}

// Extract makes dir, which must not exist, with the files of a backup, whose
// checksums are compared. An error leaves nothing behind.
func (d *Dir) Extract(ctx context.Context, m *Manifest, dir string, progress func(Progress)) (err error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return failure(dir, err)
	}
	defer func() {
		if err != nil {
			os.RemoveAll(dir)
		}
	}()
	err = d.each(ctx, m, progress, func(f File) (io.WriteCloser, error) {
		out, err := os.OpenFile(filepath.Join(dir, f.Name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return nil, err
		}
		return synced{out}, nil
	})
	if err == nil {
		if err = syncDir(dir); err != nil {
			err = failure(dir, err)
		}
	}
	return err
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) Close() error                { return nil }

// synced is a file that is on stable storage once it is closed.
type synced struct{ *os.File }

func (s synced) Close() error { return errors.Join(s.Sync(), s.File.Close()) }

// each copies the files of a backup to where open says.
func (d *Dir) each(ctx context.Context, m *Manifest, progress func(Progress), open func(File) (io.WriteCloser, error)) error {
	p := Progress{Total: m.Bytes()}
	for _, f := range m.Files {
		src, err := os.Open(d.content(f.SHA256))
		if errors.Is(err, fs.ErrNotExist) {
			return d.damaged("file %s of backup %d is missing", f.Name, m.Number)
		}
		if err != nil {
			return failure(d.path, err)
		}
		dst, err := open(f)
		if err != nil {
			src.Close()
			return failure(d.path, err)
		}
		h := sha256.New()
		n, err := copyFile(ctx, io.MultiWriter(dst, h), src, func(n int64) {
			p.Done += n
			if progress != nil {
				progress(p)
			}
		})
		src.Close()
		if e := dst.Close(); err == nil {
			err = e
		}
		if err != nil {
			return failure(d.path, err)
		}
		if n != f.Size || hex.EncodeToString(h.Sum(nil)) != f.SHA256 {
			return d.damaged("file %s of backup %d has another checksum", f.Name, m.Number)
		}
	}
	return nil
}
