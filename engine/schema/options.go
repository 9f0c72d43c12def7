package schema

import (
	"strconv"
	"time"
)

// Options are what CREATE TABLE … WITH says of a table. The zero value says
// nothing.
type Options struct {
	// StorageID is the storage location of cold data; "": the database's own files.
	StorageID string `json:",omitempty"`
	// RetentionHours is how long deleted rows can be restored; 0: DELETE is final.
	RetentionHours int64 `json:",omitempty"`
	// TTLSeconds is how long a stream's rows live; 0: without end.
	TTLSeconds int64 `json:",omitempty"`
	// MaxBuffer is how many of a user's rows a stream keeps; 0: all.
	MaxBuffer int64 `json:",omitempty"`
	// Ephemeral streams keep a user's events only while the user has a live query of them.
	Ephemeral bool `json:",omitempty"`
	// ChangeHours is for how long changes are kept for live queries to go on after,
	// whether there are any or not; 0: as long as all tables'. ChangeMB is how many
	// megabytes of them are; 0: as many as all tables'.
	ChangeHours int64 `json:",omitempty"`
	ChangeMB    int64 `json:",omitempty"`
	// Unpacked tables' rows are made segments by PACK TABLE alone.
	Unpacked bool `json:",omitempty"`
	// Access says who may use a shared table.
	Access AccessLevel `json:",omitempty"`
}

// AccessLevel is the ACCESS_LEVEL of a shared table.
type AccessLevel string

// The access levels.
const (
	Public     AccessLevel = "PUBLIC"
	Private    AccessLevel = "PRIVATE"
	Restricted AccessLevel = "RESTRICTED"
)

// TTL is how long a stream's rows live; 0: without end.
func (o *Options) TTL() time.Duration { return time.Duration(o.TTLSeconds) * time.Second }

// Retention is how long deleted rows can be restored; 0: not at all.
func (o *Options) Retention() time.Duration { return time.Duration(o.RetentionHours) * time.Hour }

// Option is an option's name and value.
type Option struct {
	Name, Value string
	Number      bool
}

// List returns the options that are given, in the order in which they are shown.
func (o *Options) List() []Option {
	var list []Option
	text := func(name, value string) {
		if value != "" {
			list = append(list, Option{Name: name, Value: value})
		}
	}
	number := func(name string, n int64) {
		if n != 0 {
			list = append(list, Option{name, strconv.FormatInt(n, 10), true})
		}
	}
	text("STORAGE_ID", o.StorageID)
	number("DELETED_RETENTION_HOURS", o.RetentionHours)
	number("TTL_SECONDS", o.TTLSeconds)
	number("MAX_BUFFER", o.MaxBuffer)
	if o.Ephemeral {
		list = append(list, Option{"EPHEMERAL", "TRUE", true})
	}
	number("CHANGE_RETENTION_HOURS", o.ChangeHours)
	number("CHANGE_RETENTION_MB", o.ChangeMB)
	if o.Unpacked {
		text("PACK", "off")
	}
	text("ACCESS_LEVEL", string(o.Access))
	return list
}
