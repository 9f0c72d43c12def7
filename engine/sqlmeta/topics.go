package sqlmeta

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/store/keyenc"
	"github.com/kalamgo/kalam/engine/store/kv"
)

// Topic is a feed of the changes of tables. Topics and their groups are records beside the
// system tables.
type Topic struct {
	ID              uint32
	Namespace, Name string
	Retention       time.Duration // for how long changes are kept
	Bytes           int64         // how large the changes of each source may be
	Sources         []TopicSource
	Created         time.Time
}

// TopicSource is a table whose changes a topic has.
type TopicSource struct {
	TableID uint32
	On      []string // "insert", "update", "delete"
	Where   string   `json:",omitempty"` // a condition over the table's columns
	Payload string   // "key", "full" or "diff"
	Since   uint64   // the last commit before it was added
}

// TopicGroup is how far the consumers of a group are.
type TopicGroup struct {
	TopicID uint32
	Name    string
	Offset  uint64 // the last that is acknowledged, or the one before the first
	Acked   time.Time
}

// GroupKey is the key of a TopicGroup.
type GroupKey struct {
	TopicID uint32
	Name    string
}

// Topics and the groups of their consumers.
var (
	Topics = &Records[uint32, Topic]{
		name: "topics", id: 9, encode: binary.BigEndian.AppendUint32,
		key: func(r *Topic) uint32 { return r.ID },
		alt: func(dst []byte, r *Topic) []byte {
			return appendString(appendString(dst, r.Namespace), r.Name)
		},
		taken: func(r *Topic) error {
			return sqlerr.TopicExists.New("Topic '%s.%s' already exists", r.Namespace, r.Name)
		},
	}
	TopicGroups = &Records[GroupKey, TopicGroup]{
		name: "topic_groups", id: 10, encode: func(dst []byte, k GroupKey) []byte {
			return keyenc.AppendBytes(binary.BigEndian.AppendUint32(dst, k.TopicID), []byte(k.Name))
		},
		key: func(r *TopicGroup) GroupKey { return GroupKey{r.TopicID, r.Name} },
	}
)

// TopicByName returns a topic, or sqlerr.NoSuchTopic.
func TopicByName(ctx context.Context, rd kv.Reader, namespace, name string) (*Topic, error) {
	t, err := Topics.find(ctx, rd, appendString(appendString(nil, namespace), name))
	if err == nil && t == nil {
		err = sqlerr.NoSuchTopic.New("Topic '%s.%s' doesn't exist", namespace, name)
	}
	return t, err
}

// CopyTopics copies the topics of namespaces to another database, whose tables have the same
// numbers and which has no topics; sources that it lacks are left out. Logs of changes are not copied, and commits are numbered
// anew there: so each topic begins with what is to come, and has no groups.
func CopyTopics(ctx context.Context, from kv.Reader, to kv.ReadWriter, in func(namespace string) bool) error {
	return Topics.ScanAll(ctx, from, func(t *Topic) error {
		if !in(t.Namespace) {
			return nil
		}
		sources := t.Sources
		t.Sources = nil
		for _, s := range sources {
			_, err := Tables.Get(ctx, to, s.TableID)
			if errors.Is(err, sqlerr.NoSuchRecord) {
				continue
			}
			if err != nil {
				return err
			}
			s.Since = 0
			t.Sources = append(t.Sources, s)
		}
		return Topics.Insert(ctx, to, t)
	})
}
