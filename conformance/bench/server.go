package main

import (
	"context"
	"database/sql"

	gms "github.com/dolthub/go-mysql-server/driver"
	gmsmemory "github.com/dolthub/go-mysql-server/memory"
	gmssql "github.com/dolthub/go-mysql-server/sql"
)

// memoryServer opens go-mysql-server's engine in gmsmemory.
func memoryServer(path string) (*sql.DB, error) {
	c, err := gms.New(&memoryProvider{}, nil).OpenConnector(path)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(c), nil
}

type memoryProvider struct{ databases *gmsmemory.DbProvider }

func (m *memoryProvider) Resolve(name string, _ *gms.Options) (string, gmssql.DatabaseProvider, error) {
	if m.databases == nil {
		db := gmsmemory.NewDatabase("bench")
		db.EnablePrimaryKeyIndexes()
		m.databases = gmsmemory.NewDBProvider(db)
	}
	return name, m.databases, nil
}

func (m *memoryProvider) NewSession(_ context.Context, id uint32, _ *gms.Connector) (gmssql.Session, error) {
	base := gmssql.NewBaseSessionWithClientServer("", gmssql.Client{}, id)
	base.SetCurrentDatabase("bench")
	return gmsmemory.NewSession(base, m.databases), nil
}
