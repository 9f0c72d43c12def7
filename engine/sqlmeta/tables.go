package sqlmeta

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/kalamgo/kalam/engine/schema"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store/keyenc"
)

// User is a row of system.users.
type User struct {
	ID      string // what user tables' rows are kept under
	Name    string // what the user signs in with; unique
	Role    string // "user", "service", "dba" or "system"
	Email   string `json:",omitempty"`
	Created time.Time
	Updated time.Time
}

// Namespace is a row of system.namespaces: a database in MySQL's words.
type Namespace struct {
	ID          uint32
	Name        string            // unique, case-sensitive
	Description string            `json:",omitempty"`
	Options     map[string]string `json:",omitempty"`
	Created     time.Time
	Updated     time.Time
}

// Table is a row of system.tables.
type Table struct {
	ID            uint32
	Namespace     string
	Name          string // unique in its namespace, case-sensitive
	Kind          schema.TableKind
	SchemaVersion uint32            // the current one in table_schemas
	StorageID     string            `json:",omitempty"` // of storage_locations; "": the database's own files
	Options       map[string]string `json:",omitempty"`
	Comment       string            `json:",omitempty"`
	Created       time.Time
	Updated       time.Time
}

// SchemaKey is the key of system.table_schemas.
type SchemaKey struct {
	TableID, Version uint32
}

// String returns the key in the form of a duplicate-entry message.
func (k SchemaKey) String() string { return fmt.Sprintf("%d-%d", k.TableID, k.Version) }

// TableSchema is a row of system.table_schemas.
type TableSchema struct {
	TableID uint32
	Version uint32
	Schema  *schema.Table
	Created time.Time
}

// StorageLocation is a row of system.storage_locations: a place for cold data.
type StorageLocation struct {
	ID          string
	Name        string
	Kind        string // "filesystem" or "s3"
	URI         string
	Description string            `json:",omitempty"`
	Options     map[string]string `json:",omitempty"`
	Created     time.Time
	Updated     time.Time
}

// LiveQuery is a row of system.live_queries: a subscription that is open. It ends
// with the process, so there is no stored record of it.
type LiveQuery struct {
	ID         string
	User       string
	Connection uint64
	TableID    uint32
	Namespace  string
	Table      string
	Query      string
	Options    map[string]string
	Changes    uint64 // delivered so far
	Depth      uint64 // changes that wait to be read in memory
	Created    time.Time
	Delivered  time.Time // the last change; zero: none was
}

// The states of a job.
const (
	JobQueued    = "queued" // waits to run, for the first time or again
	JobRunning   = "running"
	JobCompleted = "completed"
	JobFailed    = "failed"
	JobCancelled = "cancelled"
)

// Job is a row of system.jobs: a background task.
type Job struct {
	ID         uint64
	Kind       string // "evict", "purge", "build_index", …
	State      string
	Namespace  string            `json:",omitempty"`
	Table      string            `json:",omitempty"`
	Parameters map[string]string `json:",omitempty"`
	Attempts   int               `json:",omitempty"` // that began
	Progress   int64             `json:",omitempty"` // of its work, by all attempts; see jobs.Advance
	Result     string            `json:",omitempty"`
	Error      string            `json:",omitempty"` // of the last attempt
	Trace      string            `json:",omitempty"` // what it did step by step
	Created    time.Time
	Started    time.Time // zero: not yet
	Finished   time.Time // zero: not yet
}

// Done reports whether the job is over.
func (j *Job) Done() bool { return j.State != JobQueued && j.State != JobRunning }

// The seven system tables.
var (
	Users = &Records[string, User]{
		name: "users", id: 1, encode: appendString,
		key: func(r *User) string { return r.ID },
		alt: func(dst []byte, r *User) []byte { return appendString(dst, r.Name) },
		taken: func(r *User) error {
			return sqlerr.CannotUser.New("Operation CREATE USER failed for '%s'", r.Name).On("system.users")
		},
	}
	Namespaces = &Records[uint32, Namespace]{
		name: "namespaces", id: 2, encode: binary.BigEndian.AppendUint32,
		key: func(r *Namespace) uint32 { return r.ID },
		alt: func(dst []byte, r *Namespace) []byte { return appendString(dst, r.Name) },
		taken: func(r *Namespace) error {
			return sqlerr.CantCreateDatabase.New("Can't create database '%s'; database exists", r.Name)
		},
	}
	Tables = &Records[uint32, Table]{
		name: "tables", id: 3, encode: binary.BigEndian.AppendUint32,
		key: func(r *Table) uint32 { return r.ID },
		alt: func(dst []byte, r *Table) []byte {
			return appendString(appendString(dst, r.Namespace), r.Name)
		},
		taken: func(r *Table) error {
			return sqlerr.TableExists.New("Table '%s' already exists", r.Name).On(r.Namespace + "." + r.Name)
		},
	}
	TableSchemas = &Records[SchemaKey, TableSchema]{
		name: "table_schemas", id: 4,
		encode: func(dst []byte, k SchemaKey) []byte {
			return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(dst, k.TableID), k.Version)
		},
		key: func(r *TableSchema) SchemaKey { return SchemaKey{r.TableID, r.Version} },
	}
	StorageLocations = &Records[string, StorageLocation]{
		name: "storage_locations", id: 5, encode: appendString,
		key: func(r *StorageLocation) string { return r.ID },
	}
	Jobs = &Records[uint64, Job]{
		name: "jobs", id: 7, encode: binary.BigEndian.AppendUint64,
		key: func(r *Job) uint64 { return r.ID },
		// Those that are not over are to be found at once.
		alt: func(dst []byte, r *Job) []byte {
			done := byte(0)
			if r.Done() {
				done = 1
			}
			return binary.BigEndian.AppendUint64(append(dst, done), r.ID)
		},
	}
)

func appendString(dst []byte, s string) []byte { return keyenc.AppendBytes(dst, []byte(s)) }
