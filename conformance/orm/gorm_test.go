package orm

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/kalamgo/kalam"
	"gorm.io/driver/mysql"
	"gorm.io/gorm"
	"gorm.io/gorm/callbacks"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"
)

// Author has one profile and many books, which have tags.
type Author struct {
	gorm.Model
	Name    string `gorm:"size:100;not null;uniqueIndex"`
	Email   *string
	Born    *time.Time
	Awards  map[string]int `gorm:"serializer:json;type:json"`
	Profile Profile
	Books   []Book
	Hooks   string `gorm:"-"`
}

type Profile struct {
	ID       uint
	AuthorID uint `gorm:"uniqueIndex"`
	Bio      string
}

type Book struct {
	ID       uint
	AuthorID uint    `gorm:"index"`
	Title    string  `gorm:"size:200;index:idx_title_price"`
	Price    float64 `gorm:"type:decimal(8,2);index:idx_title_price"`
	Stock    int     `gorm:"default:7"`
	Cover    []byte
	InPrint  bool
	Author   *Author
	Tags     []Tag `gorm:"many2many:book_tags"`
}

type Tag struct {
	Name  string `gorm:"primaryKey;size:40"`
	Uses  int
	Books []Book `gorm:"many2many:book_tags"`
}

func (a *Author) BeforeCreate(*gorm.DB) error {
	if a.Name == "" {
		return errors.New("an author needs a name")
	}
	a.Hooks += "before "
	return nil
}

// AfterCreate works in the transaction of the insert.
func (a *Author) AfterCreate(tx *gorm.DB) error {
	a.Hooks += "after"
	return tx.Create(&Profile{AuthorID: a.ID, Bio: "of " + a.Name}).Error
}

func openGORM(t *testing.T) *gorm.DB {
	t.Helper()
	db, err := gorm.Open(mysql.New(mysql.Config{Conn: open(t)}), &gorm.Config{
		Logger: logger.Discard,
	})
	must(t, err)
	must(t, db.AutoMigrate(&Author{}, &Profile{}, &Book{}, &Tag{}))
	return db
}

// library adds two authors with three books.
func library(t *testing.T, db *gorm.DB) (mahfouz, lem Author) {
	t.Helper()
	novel := Tag{Name: "novel"}
	mahfouz = Author{Name: "Naguib Mahfouz", Awards: map[string]int{"Nobel": 1988}, Books: []Book{
		{Title: "Palace Walk", Price: 14.5, Tags: []Tag{novel, {Name: "cairo"}}},
		{Title: "Midaq Alley", Price: 11, Tags: []Tag{novel}},
	}}
	lem = Author{Name: "Stanisław Lem", Books: []Book{{Title: "Solaris", Price: 9.99, Stock: 3, InPrint: true, Cover: []byte{0, 255}}}}
	must(t, db.Create(&mahfouz).Error)
	must(t, db.Create(&lem).Error)
	return mahfouz, lem
}

func TestGORMMigrator(t *testing.T) {
	t.Parallel()
	db := openGORM(t)
	m := db.Migrator()
	for range 2 {
		must(t, db.AutoMigrate(&Author{}, &Profile{}, &Book{}, &Tag{}))
	}
	tables, err := m.GetTables()
	must(t, err)
	slices.Sort(tables)
	equal(t, "tables", tables, []string{"authors", "book_tags", "books", "profiles", "tags"})
	equal(t, "table", []bool{m.HasTable(&Book{}), m.HasTable("songs")}, []bool{true, false})
	equal(t, "column", []bool{m.HasColumn(&Book{}, "Title"), m.HasColumn(&Book{}, "pages")}, []bool{true, false})
	equal(t, "index", []bool{m.HasIndex(&Book{}, "idx_title_price"), m.HasIndex(&Book{}, "idx_none")}, []bool{true, false})
	equal(t, "constraint", m.HasConstraint(&Author{}, "Books"), true)

	columns, err := m.ColumnTypes(&Book{})
	must(t, err)
	var got []string
	for _, c := range columns {
		full, _ := c.ColumnType()
		nullable, _ := c.Nullable()
		primary, _ := c.PrimaryKey()
		auto, _ := c.AutoIncrement()
		value, hasDefault := c.DefaultValue()
		got = append(got, fmt.Sprint(c.Name(), " ", full, " ", nullable, primary, auto, hasDefault, value))
	}
	equal(t, "column types", got, []string{
		"id bigint unsigned false true true false",
		"author_id bigint unsigned true false false false",
		"title varchar(200) true false false false",
		"price decimal(8,2) true false false false",
		"stock bigint true false false true7",
		"cover longblob true false false false",
		"in_print tinyint(1) true false false false",
	})

	indexes, err := m.GetIndexes(&Book{})
	must(t, err)
	got = nil
	for _, i := range indexes {
		unique, _ := i.Unique()
		got = append(got, fmt.Sprint(i.Name(), i.Columns(), unique))
	}
	slices.Sort(got)
	equal(t, "indexes", got, []string{"PRIMARY[id] true", "idx_books_author_id[author_id] false", "idx_title_price[title price] false"})
}

func TestGORMAlter(t *testing.T) {
	t.Parallel()
	type Song struct {
		ID    int
		Title string `gorm:"size:20"`
	}
	db := openGORM(t)
	must(t, db.AutoMigrate(&Song{}))
	must(t, db.Create(&Song{Title: "Lama Bada"}).Error)
	{
		// The same table as the next version of the program has it.
		type Song struct {
			ID     int
			Title  string `gorm:"size:80;not null"`
			Length int    `gorm:"index;default:60"`
			Maqam  string `gorm:"size:30"`
		}
		m := db.Migrator()
		must(t, m.AddColumn(&Song{}, "Length"))
		must(t, m.AlterColumn(&Song{}, "Title"))
		must(t, m.CreateIndex(&Song{}, "Length"))
		equal(t, "index", m.HasIndex(&Song{}, "Length"), true)
		must(t, m.RenameIndex(&Song{}, "idx_songs_length", "by_length"))
		equal(t, "renamed index", []bool{m.HasIndex(&Song{}, "by_length"), m.HasIndex(&Song{}, "Length")}, []bool{true, false})
		must(t, m.DropIndex(&Song{}, "by_length"))
		equal(t, "dropped index", m.HasIndex(&Song{}, "by_length"), false)
		must(t, m.RenameColumn(&Song{}, "length", "seconds"))
		equal(t, "renamed", []bool{m.HasColumn(&Song{}, "seconds"), m.HasColumn(&Song{}, "length")}, []bool{true, false})
		must(t, m.DropColumn(&Song{}, "seconds"))
		equal(t, "dropped", m.HasColumn(&Song{}, "seconds"), false)
		must(t, db.AutoMigrate(&Song{}))
		var s Song
		must(t, db.First(&s).Error)
		equal(t, "row", s, Song{ID: 1, Title: "Lama Bada", Length: 60})
		must(t, m.RenameTable("songs", "tunes"))
		equal(t, "renamed table", []bool{m.HasTable("tunes"), m.HasTable("songs")}, []bool{true, false})
		must(t, m.DropTable("tunes"))
		equal(t, "dropped table", m.HasTable("tunes"), false)
	}
}

func TestGORMRows(t *testing.T) {
	t.Parallel()
	db := openGORM(t)
	email, born := "n@example.org", time.Date(1911, 12, 11, 8, 30, 0, 123e6, time.UTC)
	a := Author{Name: "Naguib", Email: &email, Born: &born, Awards: map[string]int{"Nobel": 1988}}
	must(t, db.Create(&a).Error)
	equal(t, "hooks", a.Hooks, "before after")
	equal(t, "hook's error", db.Create(&Author{}).Error != nil, true)
	equal(t, "twice", errors.Is(db.Create(&Author{Name: "Naguib"}).Error, kalam.ErrDuplicateEntry), true)

	var back Author
	must(t, db.Preload("Profile").First(&back, a.ID).Error)
	equal(t, "email", *back.Email, email)
	equal(t, "time", back.Born.Equal(born), true)
	equal(t, "JSON", back.Awards, a.Awards)
	equal(t, "created", time.Since(back.CreatedAt).Abs() < time.Hour, true)
	equal(t, "made by a hook", back.Profile.Bio, "of Naguib")

	must(t, db.Model(&back).Updates(map[string]any{"email": nil, "name": "Naguib Mahfouz"}).Error)
	var changed Author
	must(t, db.First(&changed, "name = ?", "Naguib Mahfouz").Error)
	equal(t, "NULL", changed.Email == nil, true)

	must(t, db.Delete(&changed).Error)
	equal(t, "softly deleted", errors.Is(db.First(&Author{}, a.ID).Error, gorm.ErrRecordNotFound), true)
	must(t, db.Unscoped().First(&changed, a.ID).Error)
	equal(t, "deleted at", changed.DeletedAt.Valid, true)

	must(t, db.Where("author_id = ?", a.ID).Delete(&Profile{}).Error)
	must(t, db.Unscoped().Delete(&changed).Error)
	equal(t, "gone", errors.Is(db.Unscoped().First(&Author{}, a.ID).Error, gorm.ErrRecordNotFound), true)
}

func TestGORMAssociations(t *testing.T) {
	t.Parallel()
	db := openGORM(t)
	mahfouz, lem := library(t, db)

	var authors []Author
	must(t, db.Preload("Books", func(tx *gorm.DB) *gorm.DB { return tx.Order("title") }).Preload("Books.Tags").Preload("Profile").Order("id").Find(&authors).Error)
	equal(t, "authors", len(authors), 2)
	equal(t, "has one", authors[1].Profile.Bio, "of Stanisław Lem")
	equal(t, "has many", []string{authors[0].Books[0].Title, authors[0].Books[1].Title}, []string{"Midaq Alley", "Palace Walk"})
	equal(t, "many to many", len(authors[0].Books[1].Tags), 2)
	equal(t, "values", authors[1].Books[0].Cover, []byte{0, 255})
	equal(t, "default", authors[0].Books[0].Stock, 7)

	var books []Book
	must(t, db.Joins("Author").Where("Author.name LIKE ?", "%Lem").Find(&books).Error)
	equal(t, "joined", []any{len(books), books[0].Author.Name}, []any{1, "Stanisław Lem"})
	must(t, db.InnerJoins("Author", db.Where(&Author{Name: mahfouz.Name})).Order("books.id").Find(&books).Error)
	equal(t, "inner join", len(books), 2)

	solaris := lem.Books[0]
	tags := func() *gorm.Association { return db.Model(&solaris).Association("Tags") }
	must(t, tags().Append(&Tag{Name: "novel"}, &Tag{Name: "space"}))
	equal(t, "appended", tags().Count(), int64(2))
	must(t, tags().Delete(&Tag{Name: "novel"}))
	must(t, tags().Replace(&Tag{Name: "ocean"}, &Tag{Name: "cairo"}))
	var found []Tag
	must(t, db.Model(&solaris).Order("name").Association("Tags").Find(&found))
	equal(t, "replaced", []string{found[0].Name, found[1].Name}, []string{"cairo", "ocean"})
	must(t, tags().Clear())
	equal(t, "cleared", tags().Count(), int64(0))

	must(t, db.Select("Tags").Delete(&mahfouz.Books[0]).Error)
	equal(t, "a book less", db.Model(&mahfouz).Association("Books").Count(), int64(1))
	must(t, db.Unscoped().Where("author_id = ?", lem.ID).Delete(&Profile{}).Error)
	equal(t, "referenced", errors.Is(db.Unscoped().Delete(&lem).Error, kalam.ErrRowIsReferenced), true)
	err := db.Create(&Book{Title: "nobody's", AuthorID: 99}).Error
	equal(t, "foreign key", errors.Is(err, kalam.ErrNoReferencedRow), true)
}

func TestGORMTransactions(t *testing.T) {
	t.Parallel()
	db := openGORM(t)
	undo := errors.New("undo")
	must(t, db.Transaction(func(tx *gorm.DB) error {
		must(t, tx.Create(&Tag{Name: "kept"}).Error)
		err := tx.Transaction(func(tx *gorm.DB) error {
			must(t, tx.Create(&Tag{Name: "undone"}).Error)
			return undo
		})
		equal(t, "inner", err, undo)
		return tx.Transaction(func(tx *gorm.DB) error { return tx.Create(&Tag{Name: "nested"}).Error })
	}))
	equal(t, "outer", db.Transaction(func(tx *gorm.DB) error {
		must(t, tx.Create(&Tag{Name: "lost"}).Error)
		return undo
	}), undo)
	tx := db.Begin()
	must(t, tx.Create(&Tag{Name: "by hand"}).Error)
	must(t, tx.SavePoint("here").Error)
	must(t, tx.Create(&Tag{Name: "after the savepoint"}).Error)
	must(t, tx.RollbackTo("here").Error)
	var locked Tag
	must(t, tx.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate, Options: clause.LockingOptionsNoWait}).First(&locked, "name = ?", "kept").Error)
	must(t, tx.Commit().Error)
	var names []string
	must(t, db.Model(&Tag{}).Order("name").Pluck("name", &names).Error)
	equal(t, "tags", names, []string{"by hand", "kept", "nested"})
}

func TestGORMUpsert(t *testing.T) {
	t.Parallel()
	db := openGORM(t)
	must(t, db.Create(&[]Tag{{Name: "a", Uses: 1}, {Name: "b", Uses: 2}}).Error)
	must(t, db.Clauses(clause.OnConflict{DoNothing: true}).Create(&Tag{Name: "a", Uses: 9}).Error)
	must(t, db.Clauses(clause.OnConflict{UpdateAll: true}).Create(&[]Tag{{Name: "b", Uses: 20}, {Name: "c", Uses: 3}}).Error)
	must(t, db.Clauses(clause.OnConflict{DoUpdates: clause.Assignments(map[string]any{"uses": gorm.Expr("uses + VALUES(uses)")})}).Create(&Tag{Name: "c", Uses: 30}).Error)
	must(t, db.Save(&Tag{Name: "d", Uses: 4}).Error)
	must(t, db.Save(&Tag{Name: "d", Uses: 5}).Error)
	var tags []Tag
	must(t, db.Order("name").Find(&tags).Error)
	equal(t, "tags", tags, []Tag{{Name: "a", Uses: 1}, {Name: "b", Uses: 20}, {Name: "c", Uses: 33}, {Name: "d", Uses: 5}})

	var tag Tag
	for range 2 {
		must(t, db.Where(Tag{Name: "e"}).Attrs(Tag{Uses: 50}).FirstOrCreate(&tag).Error)
	}
	equal(t, "first or created", tag, Tag{Name: "e", Uses: 50})
	must(t, db.Where(Tag{Name: "e"}).Assign(Tag{Uses: 51}).FirstOrCreate(&tag).Error)
	must(t, db.Where(Tag{Name: "f"}).FirstOrInit(&tag).Error)
}

func TestGORMQueries(t *testing.T) {
	t.Parallel()
	db := openGORM(t)
	mahfouz, _ := library(t, db)
	many := make([]Book, 250)
	for i := range many {
		many[i] = Book{AuthorID: mahfouz.ID, Title: fmt.Sprint("volume ", i), Price: float64(i)}
	}
	must(t, db.CreateInBatches(many, 100).Error)
	equal(t, "keys of a batch", many[249].ID-many[0].ID, uint(249))

	var n int64
	must(t, db.Model(&Book{}).Where("price BETWEEN ? AND ?", 100, 199).Count(&n).Error)
	equal(t, "count", n, int64(100))
	var sums []struct {
		Name  string
		Books int
		Dear  float64
	}
	must(t, db.Model(&Book{}).Select("authors.name, COUNT(*) AS books, MAX(price) AS dear").Joins("JOIN authors ON authors.id = books.author_id").
		Group("authors.name").Having("COUNT(*) > ?", 0).Order("books DESC").Scan(&sums).Error)
	equal(t, "groups", fmt.Sprint(sums), "[{Naguib Mahfouz 252 249} {Stanisław Lem 1 9.99}]")
	must(t, db.Raw("SELECT title FROM books WHERE id IN ? ORDER BY id LIMIT 1", []int{1, 2}).Scan(&mahfouz.Hooks).Error)
	equal(t, "raw", mahfouz.Hooks, "Palace Walk")
	var book Book
	must(t, db.Where("title = @title", map[string]any{"title": "Solaris"}).Not("stock = ?", 1).Or("id = ?", -1).Take(&book).Error)
	equal(t, "named", book.InPrint, true)
	must(t, db.Where("price > (?)", db.Model(&Book{}).Select("AVG(price)")).Order("price").Limit(1).Offset(2).Find(&book).Error)

	seen := 0
	must(t, db.Where("price >= 0").FindInBatches(&[]Book{}, 64, func(tx *gorm.DB, batch int) error {
		seen += int(tx.RowsAffected)
		return nil
	}).Error)
	equal(t, "in batches", seen, 253)

	rows, err := db.Model(&Book{}).Order("id").Limit(5).Rows()
	must(t, err)
	defer rows.Close()
	for seen = 0; rows.Next(); seen++ {
		must(t, db.ScanRows(rows, &book))
	}
	must(t, rows.Err())
	equal(t, "rows", seen, 5)

	done := db.Model(&Book{}).Where("price >= ?", 240).Update("stock", gorm.Expr("stock * ?", 2))
	must(t, done.Error)
	equal(t, "updated", done.RowsAffected, int64(10))
	done = db.Where("title LIKE ?", "volume%").Delete(&Book{})
	must(t, done.Error)
	equal(t, "deleted", done.RowsAffected, int64(250))
}

// TestGORMReturning tells GORM that it may write RETURNING, which its dialect
// expects of no server that calls itself MySQL.
func TestGORMReturning(t *testing.T) {
	t.Parallel()
	db := openGORM(t)
	with := func(clauses []string) []string { return append(slices.Clone(clauses), "RETURNING") }
	config := &callbacks.Config{CreateClauses: with(mysql.CreateClauses), UpdateClauses: with(mysql.UpdateClauses), DeleteClauses: with(mysql.DeleteClauses)}
	on := db.Callback()
	on.Create().Clauses, on.Update().Clauses, on.Delete().Clauses = config.CreateClauses, config.UpdateClauses, config.DeleteClauses
	must(t, on.Create().Replace("gorm:create", callbacks.Create(config)))
	must(t, on.Update().Replace("gorm:update", callbacks.Update(config)))
	must(t, on.Delete().Replace("gorm:delete", callbacks.Delete(config)))

	mahfouz, _ := library(t, db)
	equal(t, "key and default", []any{mahfouz.Books[1].ID, mahfouz.Books[1].Stock}, []any{uint(2), 7})
	var books []Book
	must(t, db.Model(&books).Clauses(clause.Returning{}).Where("author_id = ?", mahfouz.ID).Update("price", gorm.Expr("price + 1")).Error)
	equal(t, "updated", []float64{books[0].Price, books[1].Price}, []float64{15.5, 12})
	var tags []Tag
	must(t, db.Exec("DELETE FROM book_tags").Error)
	must(t, db.Clauses(clause.Returning{Columns: []clause.Column{{Name: "name"}}}).Where("name = ?", "novel").Delete(&tags).Error)
	equal(t, "deleted", tags, []Tag{{Name: "novel"}})
}
