package service

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"unicode/utf8"

	"github.com/kalamgo/kalam/engine/jobs"
	"github.com/kalamgo/kalam/engine/password"
	"github.com/kalamgo/kalam/engine/rights"
	"github.com/kalamgo/kalam/engine/sqlerr"
	"github.com/kalamgo/kalam/engine/sqlmeta"
	"github.com/kalamgo/kalam/engine/store"
)

// Users need not be recorded: every string is one, that has rows of its own and the
// role User. A record gives a user another role, or a password.

// Owner is the user who the owner of the database's files is: always of the role
// rights.System, recorded or not.
const Owner = "system"

// people is what is known of users in memory.
type people struct {
	mu         sync.Mutex
	generation uint64              // of changes
	known      map[string]*person  // by id, those asked for since the last change
	key        [32]byte            // of verified, this process's own
	verified   map[string][32]byte // passwords that were right, as MACs, by their hash
}

// maxKnown bounds people's maps.
const maxKnown = 10_000

// changed forgets what a change may have made untrue.
func (p *people) changed() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.generation++
	clear(p.known)
	clear(p.verified)
}

// Role returns the role of the user with an id.
func (c *Catalog) Role(ctx context.Context, id string) (rights.Role, error) {
	if id == Owner {
		return rights.System, nil
	}
	p, err := c.person(ctx, id)
	if err != nil {
		return "", err
	}
	return p.role, nil
}

// owner is what the owner is, always.
var owner = &person{role: rights.System}

// person returns what is known of the user with an id.
func (c *Catalog) person(ctx context.Context, id string) (*person, error) {
	if id == Owner {
		return owner, nil
	}
	all := &c.people
	all.mu.Lock()
	p := all.known[id]
	generation := all.generation
	all.mu.Unlock()
	if p != nil {
		return p, nil
	}
	err := c.read(func(tx *store.Tx) (err error) {
		p, err = readPerson(ctx, tx, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.generation == generation {
		if all.known == nil || len(all.known) >= maxKnown {
			all.known = map[string]*person{}
		}
		all.known[id] = p
	}
	return p, nil
}

// roleOf returns a recorded user's role.
func roleOf(u *sqlmeta.User) (rights.Role, error) {
	role, ok := rights.ParseRole(u.Role)
	if !ok {
		return "", sqlerr.Corrupt.New("system.users gives user '%s' the unknown role '%s'", u.Name, u.Role).On("system.users")
	}
	return role, nil
}

// SignIn returns the id of the user who opens a connection with a name and a
// password. Both mean something once any user has a password: then the name must be
// a recorded user's who has that one. The owner gets in without, unless it has one.
// Errors: sqlerr.SignInDenied.
func (c *Catalog) SignIn(ctx context.Context, name, given string) (id string, err error) {
	var hash string
	var enforced bool
	id = name
	err = c.read(func(tx *store.Tx) error {
		u, err := sqlmeta.UserByName(ctx, tx, name)
		if err == nil {
			id = u.ID
		} else if !errors.Is(err, sqlerr.NoSuchRecord) {
			return err
		}
		if enforced, err = sqlmeta.AnyPassword(ctx, tx); err != nil || !enforced {
			return err
		}
		hash, err = sqlmeta.PasswordHash(ctx, tx, id)
		return err
	})
	if err != nil {
		return "", err
	}
	if !enforced || hash == "" && id == Owner && given == "" || c.people.right(hash, given) {
		return id, nil
	}
	using := "NO"
	if given != "" {
		using = "YES"
	}
	return "", sqlerr.SignInDenied.New("Access denied for user '%s'@'localhost' (using password: %s)", name, using)
}

// right reports whether a password is that of a hash. It remembers those that were,
// since a hash costs tens of milliseconds and a pool opens many connections.
func (p *people) right(hash, given string) bool {
	p.mu.Lock()
	if p.verified == nil {
		p.verified = map[string][32]byte{}
		rand.Read(p.key[:]) // never fails
	}
	mac := hmac.New(sha256.New, p.key[:])
	mac.Write([]byte(given))
	sum := [32]byte(mac.Sum(nil))
	known, ok := p.verified[hash]
	p.mu.Unlock()
	if ok && hmac.Equal(known[:], sum[:]) {
		return true
	}
	if hash == "" {
		password.Verify(unknown, given) // takes as long as a user who is there
		return false
	}
	if !password.Verify(hash, given) {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.verified) >= maxKnown {
		clear(p.verified)
	}
	p.verified[hash] = sum
	return true
}

// unknown is the hash of nobody's password.
const unknown = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"

// Account is what a statement says of a user; nil and "": nothing.
type Account struct {
	ID              string // "": Name
	Name            string
	Self            bool // the user who asks, whatever its name
	Role            rights.Role
	Password, Email *string
	Hash            *string // of the password, in place of it
}

const maxUserName = 255

// Accounts returns all recorded users, with the hashes of their passwords.
func (c *Catalog) Accounts(ctx context.Context) (list []Account, err error) {
	err = c.read(func(tx *store.Tx) error {
		return sqlmeta.Users.ScanAll(ctx, tx, func(u *sqlmeta.User) error {
			a := Account{ID: u.ID, Name: u.Name}
			var err error
			if a.Role, err = roleOf(u); err != nil {
				return err
			}
			if u.Email != "" {
				a.Email = &u.Email
			}
			hash, err := sqlmeta.PasswordHash(ctx, tx, u.ID)
			if hash != "" {
				a.Hash = &hash
			}
			list = append(list, a)
			return err
		})
	})
	return list, err
}

// CreateUsers runs CREATE USER.
func (c *Catalog) CreateUsers(ctx context.Context, s Scope, list []Account, ifNotExists bool) error {
	return c.changeRecords(ctx, s, func(tx *store.Tx) error {
		for i := range list {
			_, err := sqlmeta.UserByName(ctx, tx, list[i].Name)
			switch {
			case err == nil && ifNotExists:
				s.Warn(sqlerr.UserExists.New("Authorization ID '%s'@'%%' already exists.", list[i].Name))
				continue
			case err == nil:
				return userFailed("CREATE USER", list[i].Name)
			case !errors.Is(err, sqlerr.NoSuchRecord):
				return err
			}
			if err := c.addUser(ctx, tx, s, list[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// AlterUsers runs ALTER USER.
func (c *Catalog) AlterUsers(ctx context.Context, s Scope, list []Account, ifExists bool) error {
	return c.changeRecords(ctx, s, func(tx *store.Tx) error {
		for _, a := range list {
			if a.Self {
				a.Name = s.User
				if u, err := sqlmeta.Users.Get(ctx, tx, s.User); err == nil {
					a.Name = u.Name
				} else if s.User != Owner { // the name may be another's
					return userFailed("ALTER USER", a.Name)
				}
			}
			u, err := sqlmeta.UserByName(ctx, tx, a.Name)
			switch {
			case err == nil:
				err = c.changeUser(ctx, tx, s, u, a)
			case !errors.Is(err, sqlerr.NoSuchRecord):
			case a.Name == Owner:
				err = c.addUser(ctx, tx, s, a) // who is there without a record
			case !s.Role.AtLeast(rights.DBA):
				err = rights.Needed("CREATE USER") // whoever is recorded
			case ifExists:
				s.Warn(sqlerr.UserMissing.New("Authorization ID '%s'@'%%' does not exist.", a.Name))
				err = nil
			default:
				err = userFailed("ALTER USER", a.Name)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// DropUsers runs DROP USER. With cascade the users' rows are removed by jobs, which
// are over when it returns; when ctx ends before, they go on.
func (c *Catalog) DropUsers(ctx context.Context, s Scope, names []string, ifExists, cascade bool) error {
	var started []uint64
	var gone []string
	unknown := map[string]uint64{} // the jobs of names that are not recorded
	err := c.changeRecords(ctx, s, func(tx *store.Tx) error {
		started, gone = nil, nil
		for _, name := range names {
			id := name
			u, err := sqlmeta.UserByName(ctx, tx, name)
			switch {
			case err == nil:
				id = u.ID
				err = c.removeUser(ctx, tx, s, u)
			case !errors.Is(err, sqlerr.NoSuchRecord):
			case ifExists && name != Owner:
				s.Warn(sqlerr.UserMissing.New("Authorization ID '%s'@'%%' does not exist.", name))
				if err = nil; cascade {
					err = notRecorded(ctx, tx, name)
				}
			default:
				failed := userFailed("DROP USER", name)
				if cascade && name != Owner {
					failed.Message += ", who is not recorded; IF EXISTS removes the rows of such a user, too"
				}
				err = failed
			}
			if err != nil {
				return err
			}
			if !cascade {
				if u != nil {
					if err := c.rowsStay(ctx, tx, s, u); err != nil {
						return err
					}
				}
				continue
			}
			job, err := c.forgetUser(ctx, tx, id)
			if err != nil {
				return err
			}
			started, gone = append(started, job), append(gone, id)
			if u == nil {
				unknown[name] = job
			}
		}
		return nil
	})
	if err == nil {
		for _, id := range gone {
			c.live.EndUser(id)
		}
	}
	for _, job := range started {
		if err == nil {
			err = c.jobs.Wait(ctx, job)
		}
	}
	for _, name := range names {
		if job := unknown[name]; job > 0 && err == nil {
			err = c.warnNothing(ctx, s, name, job)
		}
	}
	return err
}

// warnNothing tells where the job that was to remove a user's rows found none.
func (c *Catalog) warnNothing(ctx context.Context, s Scope, name string, job uint64) error {
	return c.read(func(tx *store.Tx) error {
		j, err := sqlmeta.Jobs.Get(ctx, tx, job)
		switch {
		case errors.Is(err, sqlerr.NoSuchRecord):
			return nil
		case err == nil && j.Done() && j.Progress == 0:
			s.Warn(sqlerr.UserMissing.New("There were no rows of '%s' to remove", name))
		}
		return err
	})
}

// notRecorded refuses the id of a user who is recorded, under another name.
func notRecorded(ctx context.Context, tx *store.Tx, id string) error {
	u, err := sqlmeta.Users.Get(ctx, tx, id)
	switch {
	case errors.Is(err, sqlerr.NoSuchRecord):
		return nil
	case err != nil:
		return err
	}
	return sqlerr.CannotUser.New("'%s' is the id of user '%s': DROP USER '%s' CASCADE removes the rows", id, u.Name, u.Name).On("system.users")
}

// rowsStay tells that the rows of a user who was dropped are there, and what removes them.
func (c *Catalog) rowsStay(ctx context.Context, tx *store.Tx, s Scope, u *sqlmeta.User) error {
	other, err := sqlmeta.UserByName(ctx, tx, u.ID)
	switch {
	case err == nil && other.ID != u.ID:
		s.Warn(sqlerr.UserRowsStay.New("The rows of user '%s' stay, under the id '%s'", u.Name, u.ID))
		return nil
	case err != nil && !errors.Is(err, sqlerr.NoSuchRecord):
		return err
	}
	s.Warn(sqlerr.UserRowsStay.New("The rows of user '%s' stay: DROP USER IF EXISTS '%s' CASCADE removes them", u.Name, u.ID))
	return nil
}

func userFailed(statement, name string) *sqlerr.Error {
	return sqlerr.CannotUser.New("Operation %s failed for '%s'@'%%'", statement, name).On("system.users")
}

// addUser makes the record of a user.
func (c *Catalog) addUser(ctx context.Context, tx *store.Tx, s Scope, a Account) error {
	u := &sqlmeta.User{ID: a.ID, Name: a.Name, Role: string(rights.User), Created: s.Now}
	if u.ID == "" {
		u.ID = a.Name
	}
	for _, name := range []string{u.Name, u.ID} {
		if err := checkUserName(name); err != nil {
			return err
		}
	}
	if (u.ID == Owner) != (u.Name == Owner) {
		return sqlerr.CannotUser.New("The name and the id '%s' belong together", Owner).On("system.users")
	}
	if u.ID == Owner {
		u.Role = string(rights.System)
	}
	if job, err := removalOf(ctx, tx, u.ID); err != nil {
		return err
	} else if job != 0 {
		return sqlerr.CannotUser.New("Operation CREATE USER failed for '%s'@'%%': job %d still removes the rows of the user before", a.Name, job).On("system.users")
	}
	if err := sqlmeta.Users.Insert(ctx, tx, u); err != nil {
		return err
	}
	return c.changeUser(ctx, tx, s, u, a)
}

// checkUserName refuses names and ids that no recorded user can have.
func checkUserName(name string) error {
	switch {
	case name == "" || !utf8.ValidString(name):
		return sqlerr.WrongUserName.New("A user's name is a text that is not empty")
	case utf8.RuneCountInString(name) > maxUserName:
		return sqlerr.WrongUserName.New("String '%.50s…' is too long for user name (should be no longer than %d)", name, maxUserName)
	}
	return nil
}

// changeUser takes over in a user's record what is said of it.
func (c *Catalog) changeUser(ctx context.Context, tx *store.Tx, s Scope, u *sqlmeta.User, a Account) error {
	role, err := roleOf(u)
	if err != nil {
		return err
	}
	own := s.User == u.ID && a.Role == "" // everybody may change its own password
	if !own {
		for _, r := range []rights.Role{role, cmp.Or(a.Role, role)} {
			if !s.Role.MayManage(r) {
				return mayNotManage(s.Role, r)
			}
		}
	}
	if a.Role != "" {
		if u.ID == Owner && a.Role != rights.System {
			return sqlerr.CannotUser.New("User '%s' always has the role system", u.Name).On("system.users")
		}
		u.Role = string(a.Role)
	}
	if a.Email != nil {
		if !utf8.ValidString(*a.Email) || utf8.RuneCountInString(*a.Email) > maxUserName {
			return sqlerr.WrongUserName.New("The email of user '%s' is no text of up to %d characters", u.Name, maxUserName)
		}
		u.Email = *a.Email
	}
	if a.Password != nil {
		hash := ""
		if *a.Password != "" {
			hash = password.Hash(*a.Password)
		}
		if err := sqlmeta.SetPasswordHash(ctx, tx, u.ID, hash); err != nil {
			return err
		}
	}
	if a.Hash != nil {
		if !password.Valid(*a.Hash) {
			return sqlerr.CannotUser.New("The password of user '%s' is given by what is no argon2id hash", u.Name).On("system.users")
		}
		if err := sqlmeta.SetPasswordHash(ctx, tx, u.ID, *a.Hash); err != nil {
			return err
		}
	}
	u.Updated = s.Now
	return sqlmeta.Users.Update(ctx, tx, u)
}

// removeUser removes a user's record.
func (c *Catalog) removeUser(ctx context.Context, tx *store.Tx, s Scope, u *sqlmeta.User) error {
	role, err := roleOf(u)
	switch {
	case err != nil:
		return err
	case u.ID == Owner:
		return sqlerr.CannotUser.New("User '%s', who the owner of the files is, cannot be dropped", u.Name).On("system.users")
	case !s.Role.MayManage(role):
		return mayNotManage(s.Role, role)
	}
	if err := sqlmeta.SetPasswordHash(ctx, tx, u.ID, ""); err != nil {
		return err
	}
	of := func(g *sqlmeta.Grant) bool { return g.Kind == sqlmeta.ToUser && g.Grantee == u.ID }
	if err := sqlmeta.RemoveGrants(ctx, tx, of); err != nil {
		return err
	}
	return sqlmeta.Users.Delete(ctx, tx, u.ID)
}

// mayNotManage is the error for users whom users of role r may not change.
func mayNotManage(r, other rights.Role) error {
	if !r.AtLeast(rights.DBA) {
		return rights.Needed("CREATE USER")
	}
	return sqlerr.PrivilegeNeeded.New("Access denied; a user of role %s is needed to make, change and drop users of role %s", other, other)
}

// forgetJob is the kind of the jobs that remove users' rows.
const forgetJob = "remove_user"

// forgetUser queues the removal of a user's rows, and returns the job's id.
func (c *Catalog) forgetUser(ctx context.Context, tx *store.Tx, id string) (uint64, error) {
	if job, err := removalOf(ctx, tx, id); job != 0 || err != nil {
		return job, err
	}
	c.queued = true
	return c.jobs.Add(ctx, tx, sqlmeta.Job{Kind: forgetJob, Parameters: userParameter(id)})
}

// userParameter is a job's parameter that names a user, whose id may be no text.
func userParameter(id string) map[string]string {
	if utf8.ValidString(id) {
		return map[string]string{"user": id}
	}
	return map[string]string{"user_hex": hex.EncodeToString([]byte(id))}
}

func userOfJob(j *sqlmeta.Job) (string, error) {
	coded, ok := j.Parameters["user_hex"]
	if !ok {
		return j.Parameters["user"], nil
	}
	b, err := hex.DecodeString(coded)
	if err != nil {
		return "", sqlerr.Corrupt.Wrap(err, "system.jobs has a damaged record of job %d", j.ID).On("system.jobs")
	}
	return string(b), nil
}

// removalOf returns the id of the job that removes a user's rows; 0: none does.
func removalOf(ctx context.Context, tx *store.Tx, id string) (job uint64, err error) {
	err = sqlmeta.JobsNotDone(ctx, tx, func(j *sqlmeta.Job) error {
		if j.Kind != forgetJob {
			return nil
		}
		of, err := userOfJob(j)
		if err == nil && of == id {
			job = j.ID
		}
		return err
	})
	return job, err
}

// removeRows is the job.
func (c *Catalog) removeRows(ctx context.Context, r *jobs.Run) error {
	id, err := userOfJob(&r.Job)
	if err != nil {
		return err
	}
	err = c.RemoveUser(ctx, id, func(tx *store.Tx, n int64) error { return jobs.Advance(ctx, tx, r.Job.ID, n) })
	if err != nil {
		return err
	}
	return c.read(func(tx *store.Tx) error {
		j, err := sqlmeta.Jobs.Get(ctx, tx, r.Job.ID)
		if err == nil {
			r.Result = fmt.Sprintf("%d rows removed", j.Progress) // by earlier attempts, too
		}
		return err
	})
}
