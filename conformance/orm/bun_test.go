package orm

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/mysqldialect"
)

type Owner struct {
	ID    int64  `bun:",pk,autoincrement"`
	Name  string `bun:",notnull,unique"`
	Phone *string
	Since time.Time         `bun:"type:datetime(6),notnull"`
	Notes map[string]string `bun:"type:json"`
	Card  *Card             `bun:"rel:has-one,join:id=owner_id"`
	Pets  []*Pet            `bun:"rel:has-many,join:id=owner_id"`
	Gone  time.Time         `bun:",soft_delete,nullzero"`
}

type Card struct {
	OwnerID int64 `bun:",pk"`
	Number  string
}

type Pet struct {
	ID      int64 `bun:",pk,autoincrement"`
	OwnerID int64
	Name    string
	Weight  float64
	Owner   *Owner `bun:"rel:belongs-to,join:owner_id=id"`
	Toys    []Toy  `bun:"m2m:pet_toys,join:Pet=Toy"`
}

type Toy struct {
	Name string `bun:",pk,type:varchar(50)"`
	Uses int
}

type PetToy struct {
	PetID   int64  `bun:",pk"`
	Pet     *Pet   `bun:"rel:belongs-to,join:pet_id=id"`
	ToyName string `bun:",pk,type:varchar(50)"`
	Toy     *Toy   `bun:"rel:belongs-to,join:toy_name=name"`
}

// openBun returns a database with two owners and three pets.
func openBun(t *testing.T) (context.Context, *bun.DB) {
	t.Helper()
	ctx, db := t.Context(), bun.NewDB(open(t), mysqldialect.New())
	db.RegisterModel((*PetToy)(nil))
	for _, model := range []any{(*Owner)(nil), (*Card)(nil), (*Pet)(nil), (*Toy)(nil), (*PetToy)(nil)} {
		for range 2 {
			_, err := db.NewCreateTable().Model(model).IfNotExists().Exec(ctx)
			must(t, err)
		}
	}
	since := time.Date(2020, 2, 29, 10, 0, 0, 123456000, time.UTC)
	ali := &Owner{Name: "Ali", Since: since, Notes: map[string]string{"food": "fish"}}
	eva := &Owner{Name: "Eva", Since: since}
	for _, rows := range []any{ali, eva,
		&[]Card{{1, "A-1"}, {2, "E-2"}},
		&[]Pet{{OwnerID: 1, Name: "Bastet", Weight: 4.5}, {OwnerID: 1, Name: "Anubis", Weight: 20}, {OwnerID: 2, Name: "Mruczek", Weight: 5}},
		&[]Toy{{"ball", 1}, {"mouse", 2}},
		&[]PetToy{{PetID: 1, ToyName: "ball"}, {PetID: 1, ToyName: "mouse"}},
	} {
		_, err := db.NewInsert().Model(rows).Exec(ctx)
		must(t, err)
	}
	equal(t, "keys", []int64{ali.ID, eva.ID}, []int64{1, 2})
	return ctx, db
}

func TestBunSelect(t *testing.T) {
	t.Parallel()
	ctx, db := openBun(t)
	var owners []Owner
	must(t, db.NewSelect().Model(&owners).Relation("Card").Relation("Pets", func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Order("name")
	}).Relation("Pets.Toys").Order("owner.id").Scan(ctx))
	equal(t, "owners", len(owners), 2)
	equal(t, "has one", owners[1].Card.Number, "E-2")
	equal(t, "has many", []string{owners[0].Pets[0].Name, owners[0].Pets[1].Name}, []string{"Anubis", "Bastet"})
	equal(t, "many to many", len(owners[0].Pets[1].Toys), 2)
	equal(t, "JSON", owners[0].Notes, map[string]string{"food": "fish"})
	equal(t, "time", owners[0].Since.Equal(time.Date(2020, 2, 29, 10, 0, 0, 123456000, time.UTC)), true)
	equal(t, "NULL", owners[0].Phone == nil, true)

	pet := new(Pet)
	must(t, db.NewSelect().Model(pet).Relation("Owner").Where("pet.name = ?", "Mruczek").Scan(ctx))
	equal(t, "belongs to", pet.Owner.Name, "Eva")
	equal(t, "none", errors.Is(db.NewSelect().Model(pet).Where("pet.id = 99").Scan(ctx), sql.ErrNoRows), true)

	n, err := db.NewSelect().Model((*Pet)(nil)).Where("weight > ?", 4.5).Count(ctx)
	must(t, err)
	equal(t, "count", n, 2)
	exists, err := db.NewSelect().Model((*Pet)(nil)).Where("name IN (?)", bun.List([]string{"Bastet", "nobody"})).Exists(ctx)
	must(t, err)
	equal(t, "exists", exists, true)

	heavy := db.NewSelect().Model((*Pet)(nil)).ColumnExpr("owner_id, SUM(weight) AS kilos").Group("owner_id")
	var names []string
	var kilos []float64
	must(t, db.NewSelect().With("heavy", heavy).TableExpr("heavy").Join("JOIN owners AS o ON o.id = heavy.owner_id").
		ColumnExpr("o.name, heavy.kilos").OrderExpr("kilos DESC").Scan(ctx, &names, &kilos))
	equal(t, "names", names, []string{"Ali", "Eva"})
	equal(t, "sums", kilos, []float64{24.5, 5})
	var all []string
	must(t, db.NewSelect().Model((*Pet)(nil)).Column("name").Where("id = 1").
		UnionAll(db.NewSelect().Model((*Toy)(nil)).Column("name").Where("name = 'ball'")).Scan(ctx, &all))
	equal(t, "union", all, []string{"Bastet", "ball"})
	must(t, db.NewRaw("SELECT name FROM ? WHERE id = ?", bun.Ident("pets"), 2).Scan(ctx, &pet.Name))
	equal(t, "raw", pet.Name, "Anubis")
}

func TestBunWrite(t *testing.T) {
	t.Parallel()
	ctx, db := openBun(t)
	done, err := db.NewUpdate().Model((*Pet)(nil)).Set("weight = weight + ?", 1).Where("owner_id = ?", 1).Exec(ctx)
	must(t, err)
	n, err := done.RowsAffected()
	must(t, err)
	equal(t, "updated", n, int64(2))
	_, err = db.NewUpdate().Model(&Pet{ID: 3, Name: "Filemon"}).Column("name").WherePK().Exec(ctx)
	must(t, err)
	_, err = db.NewDelete().Model((*Pet)(nil)).Where("weight < ?", 5).Exec(ctx)
	must(t, err)
	_, err = db.NewInsert().Model(&[]Toy{{"ball", 10}, {"bone", 3}}).On("DUPLICATE KEY UPDATE").Set("uses = toys.uses + VALUES(uses)").Exec(ctx)
	must(t, err)
	_, err = db.NewInsert().Model(&Toy{"bone", 99}).Ignore().Exec(ctx)
	must(t, err)
	_, err = db.NewDelete().Model((*Owner)(nil)).Where("name = ?", "Eva").Exec(ctx)
	must(t, err)

	var toys []Toy
	must(t, db.NewSelect().Model(&toys).Order("name").Scan(ctx))
	equal(t, "toys", toys, []Toy{{"ball", 11}, {"bone", 3}, {"mouse", 2}})
	var names []string
	must(t, db.NewSelect().Model((*Pet)(nil)).Column("name").Order("id").Scan(ctx, &names))
	equal(t, "pets", names, []string{"Bastet", "Anubis", "Filemon"})
	left, err := db.NewSelect().Model((*Owner)(nil)).Count(ctx)
	must(t, err)
	all, err := db.NewSelect().Model((*Owner)(nil)).WhereAllWithDeleted().Count(ctx)
	must(t, err)
	equal(t, "softly deleted", []int{left, all}, []int{1, 2})
}

func TestBunSchema(t *testing.T) {
	t.Parallel()
	ctx, db := openBun(t)
	_, err := db.NewCreateIndex().Model((*Pet)(nil)).Index("by_name").Column("name").Exec(ctx)
	must(t, err)
	_, err = db.NewAddColumn().Model((*Pet)(nil)).ColumnExpr("age INT NOT NULL DEFAULT 1").Exec(ctx)
	must(t, err)
	var ages int
	must(t, db.NewSelect().Table("pets").ColumnExpr("SUM(age)").Scan(ctx, &ages))
	equal(t, "added", ages, 3)
	_, err = db.NewDropColumn().Model((*Pet)(nil)).Column("age").Exec(ctx)
	must(t, err)
	_, err = db.NewTruncateTable().Model((*Pet)(nil)).Exec(ctx)
	must(t, err)
	_, err = db.NewDropTable().Model((*Pet)(nil)).IfExists().Exec(ctx)
	must(t, err)
}

func TestBunTransaction(t *testing.T) {
	t.Parallel()
	ctx, db := openBun(t)
	undo := errors.New("undo")
	err := db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.NewInsert().Model(&Toy{"kept", 0}).Exec(ctx); err != nil {
			return err
		}
		err := tx.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
			_, err := tx.NewInsert().Model(&Toy{"undone", 0}).Exec(ctx)
			return errors.Join(err, undo)
		})
		equal(t, "inner", errors.Is(err, undo), true)
		return nil
	})
	must(t, err)
	err = db.RunInTx(ctx, &sql.TxOptions{Isolation: sql.LevelSerializable}, func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.NewDelete().Model((*Toy)(nil)).Where("TRUE").Exec(ctx)
		return errors.Join(err, undo)
	})
	equal(t, "outer", errors.Is(err, undo), true)
	var names []string
	must(t, db.NewSelect().Model((*Toy)(nil)).Column("name").Order("name").Scan(ctx, &names))
	equal(t, "toys", names, []string{"ball", "kept", "mouse"})
}
