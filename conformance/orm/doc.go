// Package orm runs what programs use on top of database/sql against Kalam: the
// object mappers GORM and bun, which speak MySQL's dialect to it, and sqlx. It is
// a module of its own, so that only its tests need theirs.
package orm
