package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"

	"vitess.io/vitess/go/vt/sqlparser"

	"github.com/kalamgo/kalam/engine/parse"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/types"
)

// checksums runs CHECKSUM TABLE: a number for each table by what its rows have as text, in any
// order; NULL, with a warning, for one that is not there.
func (s *Session) checksums(ctx context.Context, n *parse.ChecksumTable) (*resultSet, error) {
	var rows [][]types.Value
	for _, t := range n.Tables {
		if t.Qualifier.IsEmpty() {
			t.Qualifier = sqlparser.NewIdentifierCS(s.namespace)
		}
		row := []types.Value{types.NewString(t.Qualifier.String() + "." + t.Name.String()), {}}
		sum, err := s.checksum(ctx, t)
		switch {
		case errors.Is(err, sqlerr.NoSuchTable), errors.Is(err, sqlerr.BadDatabase):
			s.warn(err)
		case err != nil:
			return nil, err
		case !n.Quick: // there is none that is kept
			row[1] = types.NewInt(int64(sum))
		}
		rows = append(rows, row)
	}
	return s.listing(rows, textColumn("Table"), intColumn("Checksum")), nil
}

func (s *Session) checksum(ctx context.Context, t sqlparser.TableName) (uint32, error) {
	all := &parse.Statement{
		AST: &sqlparser.Select{
			SelectExprs: &sqlparser.SelectExprs{Exprs: []sqlparser.SelectExpr{&sqlparser.StarExpr{}}},
			From:        sqlparser.TableExprs{&sqlparser.AliasedTableExpr{Expr: t}},
			Limit:       &sqlparser.Limit{Rowcount: sqlparser.NewIntLiteral("9223372036854775807")}, // sql_select_limit does not count
		},
	}
	all.SQL = sqlparser.String(all.AST)
	next := s.next
	set, err := s.query(ctx, all, arguments{})
	s.next = next // what SET TRANSACTION said is for another one
	if err != nil {
		return 0, err
	}
	defer set.close()
	var sum uint32
	var text []byte
	for {
		b, err := set.next(ctx)
		if err != nil || b.Len == 0 {
			return sum, err
		}
		for i := range b.Len {
			text = text[:0]
			for _, c := range b.Columns {
				if c.IsNull(i) {
					text = append(text, 0)
					continue
				}
				at := len(text)
				text = append(text, 1, 0, 0, 0, 0)
				text = types.AppendText(text, c.Type, c.Value(i))
				binary.LittleEndian.PutUint32(text[at+1:], uint32(len(text)-at-5))
			}
			sum += crc32.ChecksumIEEE(text)
		}
	}
}
