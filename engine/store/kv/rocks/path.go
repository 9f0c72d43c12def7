//go:build cgo

package rocks

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"syscall"

	"github.com/kalamgo/kalam/engine/sqlerr"
)

// opened has the paths that this process has open. It is asked before RocksDB's
// LOCK file: POSIX locks are a process's own, and closing any descriptor of
// the file drops them.
var opened struct {
	sync.Mutex
	paths map[string]bool
}

// claim takes path for this process. It returns how to give it back.
func claim(path string) (release func(), err error) {
	name, err := filepath.Abs(path)
	if err != nil {
		return nil, sqlerr.CantOpen.Wrap(err, "cannot open database %q: %v", path, err)
	}
	if real, err := filepath.EvalSymlinks(name); err == nil {
		name = real
	}
	opened.Lock()
	defer opened.Unlock()
	if opened.paths[name] {
		return nil, errInUse(path, os.Getpid())
	}
	if opened.paths == nil {
		opened.paths = make(map[string]bool)
	}
	opened.paths[name] = true
	return func() {
		opened.Lock()
		defer opened.Unlock()
		delete(opened.paths, name)
	}, nil
}

// lockFile checks that no other process has the database of dir open for
// writing. With share it keeps others from that until the file is closed; the
// file is nil when there is no lock file to hold.
func lockFile(dir string, share bool) (*os.File, error) {
	f, err := os.Open(filepath.Join(dir, "LOCK"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, sqlerr.CantOpen.Wrap(err, "cannot open database %q: %v", dir, err)
	}
	lock := syscall.Flock_t{Type: syscall.F_WRLCK, Whence: io.SeekStart}
	if share {
		lock.Type = syscall.F_RDLCK
	}
	if err := syscall.FcntlFlock(f.Fd(), syscall.F_GETLK, &lock); err == nil && lock.Type != syscall.F_UNLCK {
		f.Close()
		return nil, errInUse(dir, int(lock.Pid))
	}
	if !share {
		return nil, f.Close()
	}
	lock = syscall.Flock_t{Type: syscall.F_RDLCK, Whence: io.SeekStart}
	if err := syscall.FcntlFlock(f.Fd(), syscall.F_SETLK, &lock); err != nil {
		f.Close()
		if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) {
			return nil, errInUse(dir, 0)
		}
		return nil, sqlerr.CantOpen.Wrap(err, "cannot lock database %q: %v", dir, err)
	}
	return f, nil
}

// Files that RocksDB keeps in a database's directory: those that have content,
// and those that may be there when it was interrupted in making a database.
var (
	contentFile = regexp.MustCompile(`^[0-9]+\.(sst|ldb|log|blob)$`)
	otherFile   = regexp.MustCompile(`^(LOCK|LOG(\.old.*)?|IDENTITY|MANIFEST-[0-9]+|OPTIONS-[0-9]+|.*\.dbtmp|lost\+found|kalam-manifest)$`)
)

// inspect tells whether dir holds a database, or could come to hold one. It
// returns the names of its files.
func inspect(dir string, create bool) (exists bool, files []fs.DirEntry, err error) {
	missing := func() (bool, []fs.DirEntry, error) {
		if create {
			return false, files, nil
		}
		return false, nil, sqlerr.NoSuchDatabase.New("database %q does not exist", dir)
	}
	cannot := func(err error) (bool, []fs.DirEntry, error) {
		return false, nil, sqlerr.CantOpen.Wrap(err, "cannot open database %q: %v", dir, err)
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Stat(filepath.Dir(dir)); create && err != nil {
			return cannot(err)
		}
		return missing()
	case err != nil:
		return cannot(err)
	case !info.IsDir():
		return cannot(errors.New("it is a file, a database is a directory"))
	}
	if files, err = os.ReadDir(dir); err != nil {
		return cannot(err)
	}
	if slices.ContainsFunc(files, func(f fs.DirEntry) bool { return f.Name() == "CURRENT" }) {
		return true, files, nil
	}
	for _, f := range files {
		if contentFile.MatchString(f.Name()) {
			return false, nil, sqlerr.Corrupt.New("database %q is damaged: its file CURRENT is missing", dir)
		}
		if !otherFile.MatchString(f.Name()) {
			return false, nil, errForeign(dir, "it holds "+f.Name())
		}
	}
	return missing()
}

// hasContent reports whether any of files holds data.
func hasContent(files []fs.DirEntry) bool {
	return slices.ContainsFunc(files, func(f fs.DirEntry) bool {
		info, err := f.Info()
		return contentFile.MatchString(f.Name()) && err == nil && info.Size() > 0
	})
}
