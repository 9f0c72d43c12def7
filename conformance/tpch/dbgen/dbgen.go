// Package dbgen makes the rows of TPC-H's tables, exactly those that published
// answers hold for.
package dbgen

import (
	"fmt"
	"time"
)

// Tables are the names of the tables, in the order in which their rows can be
// added with foreign keys.
var Tables = []string{"region", "nation", "supplier", "part", "partsupp", "customer", "orders", "lineitem"}

// Variant says whose rows are made. They differ in texts alone.
type Variant uint8

// The variants.
const (
	Specification Variant = iota // those of the specification's program
	DuckDB                       // those of DuckDB's, which has a smaller text for comments and other addresses
)

var poolSizes = [...]int{Specification: 300 << 20, DuckDB: 10 << 20}

// Scale says how many rows there are.
type Scale struct {
	factor                              int64 // whole; 1 below
	suppliers, parts, customers, orders int64
}

// NewScale returns the scale of a factor: whole, or a fraction in thousandths.
func NewScale(factor float64) (Scale, error) {
	thousandths := int64(1000)
	s := Scale{factor: 1}
	switch {
	case factor >= 1 && factor <= 1000 && factor == float64(int64(factor)):
		s.factor = int64(factor)
	case factor < 1 && int64(1000*factor) >= 1:
		thousandths = int64(1000 * factor)
	default:
		return s, fmt.Errorf("scale factor %v: give a whole number up to 1000, or a fraction of at least 0.001", factor)
	}
	count := func(base int64) int64 { return max(1, thousandths*base/1000) * s.factor }
	s.suppliers, s.parts, s.customers, s.orders = count(10_000), count(200_000), count(150_000), count(1_500_000)
	return s, nil
}

// Units is how many units of work Rows reports in all.
func (s Scale) Units() int64 {
	return int64(len(regions)+len(nations)) + s.suppliers + s.parts + s.customers + s.orders
}

// Orders is the number of rows of orders, the table that is made last.
func (s Scale) Orders() int64 { return s.orders }

// Rows makes all rows of a scale and calls add with each: the values of its columns in
// their order, int64 or string, valid until the next call. done is called after
// each unit of work. An error from add ends it.
func Rows(s Scale, v Variant, add func(table string, row []any) error, done func()) error {
	g := newGenerator(s, v, add)
	for _, k := range g.kinds() {
		for i := int64(1); i <= k.n; i++ {
			if err := g.unit(k, i); err != nil {
				return err
			}
			done()
		}
	}
	return nil
}

// kind is a table, and the one whose rows are made along with its rows.
type kind struct {
	n           int64 // rows
	make        func(i int64)
	first, last int // streams that a row takes numbers from
}

func (g *generator) kinds() []kind {
	return []kind{
		{int64(len(regions)), g.region, regionComment, regionComment},
		{int64(len(nations)), g.nation, nationComment, nationComment},
		{g.suppliers, g.supplier, supplierAddress, supplierOffset},
		{g.parts, g.part, partMaker, stockComment},
		{g.customers, g.customer, customerAddress, customerComment},
		{g.orders, g.order, orderClerk, lineComment},
	}
}

// unit makes row i of a kind.
func (g *generator) unit(k kind, i int64) error {
	k.make(i)
	for s := k.first; s <= k.last; s++ {
		g.streams[s].endRow()
	}
	return g.err
}

// The streams, by what they are for.
const (
	partMaker = iota
	partBrand
	partType
	partSize
	partContainer
	partComment
	partName
	stockQuantity
	stockCost
	stockComment
	orderClerk
	orderComment
	orderDate
	orderPriority
	orderCustomer
	orderLines
	lineQuantity
	lineDiscount
	lineTax
	lineInstruction
	lineMode
	linePart
	lineSupplier
	lineShip
	lineCommit
	lineReceipt
	lineReturn
	lineComment
	customerAddress
	customerNation
	customerPhone
	customerBalance
	customerSegment
	customerComment
	supplierAddress
	supplierNation
	supplierPhone
	supplierBalance
	supplierComment
	supplierNoise
	supplierVerdict
	supplierRemark
	supplierOffset
	nationComment
	regionComment
	streamCount
)

const (
	suppliersOfPart = 4
	maxLines        = 7
)

func newStreams() [streamCount]stream {
	return [streamCount]stream{
		partMaker:       {seed: 1, perRow: 1},
		partBrand:       {seed: 46831694, perRow: 1},
		partType:        {seed: 1841581359, perRow: 1},
		partSize:        {seed: 1193163244, perRow: 1},
		partContainer:   {seed: 727633698, perRow: 1},
		partComment:     {seed: 804159733, perRow: 2},
		partName:        {seed: 709314158, perRow: 92},
		stockQuantity:   {seed: 1671059989, perRow: suppliersOfPart},
		stockCost:       {seed: 1051288424, perRow: suppliersOfPart},
		stockComment:    {seed: 1961692154, perRow: 2 * suppliersOfPart},
		orderClerk:      {seed: 1171034773, perRow: 1},
		orderComment:    {seed: 276090261, perRow: 2},
		orderDate:       {seed: 1066728069, perRow: 1},
		orderPriority:   {seed: 591449447, perRow: 1},
		orderCustomer:   {seed: 851767375, perRow: 1},
		orderLines:      {seed: 1434868289, perRow: 1},
		lineQuantity:    {seed: 209208115, perRow: maxLines},
		lineDiscount:    {seed: 554590007, perRow: maxLines},
		lineTax:         {seed: 721958466, perRow: maxLines},
		lineInstruction: {seed: 1371272478, perRow: maxLines},
		lineMode:        {seed: 675466456, perRow: maxLines},
		linePart:        {seed: 1808217256, perRow: maxLines},
		lineSupplier:    {seed: 2095021727, perRow: maxLines},
		lineShip:        {seed: 1769349045, perRow: maxLines},
		lineCommit:      {seed: 904914315, perRow: maxLines},
		lineReceipt:     {seed: 373135028, perRow: maxLines},
		lineReturn:      {seed: 717419739, perRow: maxLines},
		lineComment:     {seed: 1095462486, perRow: 2 * maxLines},
		customerAddress: {seed: 881155353, perRow: 9},
		customerNation:  {seed: 1489529863, perRow: 1},
		customerPhone:   {seed: 1521138112, perRow: 3},
		customerBalance: {seed: 298370230, perRow: 1},
		customerSegment: {seed: 1140279430, perRow: 1},
		customerComment: {seed: 1335826707, perRow: 2},
		supplierAddress: {seed: 706178559, perRow: 9},
		supplierNation:  {seed: 110356601, perRow: 1},
		supplierPhone:   {seed: 884434366, perRow: 3},
		supplierBalance: {seed: 962338209, perRow: 1},
		supplierComment: {seed: 1341315363, perRow: 2},
		supplierNoise:   {seed: 263032577, perRow: 1},
		supplierVerdict: {seed: 753643799, perRow: 1},
		supplierRemark:  {seed: 202794285, perRow: 1},
		supplierOffset:  {seed: 715851524, perRow: 1},
		nationComment:   {seed: 606179079, perRow: 2},
		regionComment:   {seed: 1500869201, perRow: 2},
	}
}

type generator struct {
	Scale
	variant Variant
	streams [streamCount]stream
	pool    pool
	add     func(table string, row []any) error
	err     error
}

func newGenerator(s Scale, v Variant, add func(table string, row []any) error) *generator {
	return &generator{Scale: s, variant: v, streams: newStreams(), pool: newPool(poolSizes[v]), add: add}
}

func (g *generator) emit(table string, row ...any) {
	if g.err == nil {
		g.err = g.add(table, row)
	}
}

// between draws a number from low to high from a stream.
func (g *generator) between(stream int, low, high int64) int64 {
	return g.streams[stream].between(low, high)
}

func (g *generator) pick(stream int, from *words) string { return from.pick(&g.streams[stream]) }

func (g *generator) comment(stream int, average int64) string {
	return g.pool.comment(&g.streams[stream], average)
}

func (g *generator) phone(stream int, nation int64) string {
	area, exchange, number := g.between(stream, 100, 999), g.between(stream, 100, 999), g.between(stream, 1000, 9999)
	return fmt.Sprintf("%02d-%03d-%03d-%04d", 10+nation, area, exchange, number)
}

// money writes an amount of cents.
func money(cents int64) string {
	sign := ""
	if cents < 0 {
		sign, cents = "-", -cents
	}
	return fmt.Sprintf("%s%d.%02d", sign, cents/100, cents%100)
}

func (g *generator) region(i int64) {
	g.emit("region", i-1, regions[i-1], g.comment(regionComment, 72))
}

func (g *generator) nation(i int64) {
	n := nations[i-1]
	g.emit("nation", i-1, n.name, n.region, g.comment(nationComment, 72))
}

const minBalance, maxBalance = -99999, 999999

func (g *generator) supplier(i int64) {
	address := g.streams[supplierAddress].address(g.variant)
	nation := g.between(supplierNation, 0, int64(len(nations)-1))
	phone := g.phone(supplierPhone, nation)
	balance := g.between(supplierBalance, minBalance, maxBalance)
	g.emit("supplier", i, fmt.Sprintf("Supplier#%09d", i), address, nation, phone, money(balance), g.remarks())
}

// remarks returns a supplier's comment. Ten in 10,000 hold a customer's verdict.
func (g *generator) remarks() string {
	const customer, complains, commends = "Customer ", "Complaints", "Recommends"
	const length = int64(len(customer) + len(complains))
	text := []byte(g.comment(supplierComment, 63))
	remark := g.between(supplierRemark, 1, 10000)
	verdict := g.between(supplierVerdict, 0, 100)
	noise := g.between(supplierNoise, 0, int64(len(text))-length)
	at := g.between(supplierOffset, 0, int64(len(text))-length-noise)
	if remark <= 10 {
		copy(text[at:], customer)
		said := commends
		if verdict < 50 {
			said = complains
		}
		copy(text[at+int64(len(customer))+noise:], said)
	}
	return string(text)
}

// price is a part's retail price in cents.
func price(part int64) int64 { return 90000 + part/10%20001 + part%1000*100 }

// supplierOf returns the supplier of a part by number, 0 to 3.
func (g *generator) supplierOf(part, number int64) int64 {
	n := g.suppliers
	return (part+number*(n/suppliersOfPart+(part-1)/n))%n + 1
}

func (g *generator) part(i int64) {
	name := g.partName()
	maker := g.between(partMaker, 1, 5)
	brand := g.between(partBrand, 1, 5)
	kind := g.pick(partType, partTypes)
	size := g.between(partSize, 1, 50)
	container := g.pick(partContainer, containers)
	g.emit("part", i, name, fmt.Sprintf("Manufacturer#%d", maker), fmt.Sprintf("Brand#%d%d", maker, brand),
		kind, size, container, money(price(i)), g.comment(partComment, 14))
	for k := range int64(suppliersOfPart) {
		quantity := g.between(stockQuantity, 1, 9999)
		cost := g.between(stockCost, 100, 100000)
		g.emit("partsupp", i, g.supplierOf(i, k), quantity, money(cost), g.comment(stockComment, 124))
	}
}

// partName returns five colours out of all of them shuffled.
func (g *generator) partName() string {
	var order [92]uint8
	for i := range order {
		order[i] = uint8(i)
	}
	for i := range order {
		k := g.between(partName, int64(i), int64(len(order)-1))
		order[i], order[k] = order[k], order[i]
	}
	name := colors[order[0]]
	for _, k := range order[1:5] {
		name += " " + colors[k]
	}
	return name
}

func (g *generator) customer(i int64) {
	address := g.streams[customerAddress].address(g.variant)
	nation := g.between(customerNation, 0, int64(len(nations)-1))
	phone := g.phone(customerPhone, nation)
	balance := g.between(customerBalance, minBalance, maxBalance)
	segment := g.pick(customerSegment, segments)
	g.emit("customer", i, fmt.Sprintf("Customer#%09d", i), address, nation, phone, money(balance), segment,
		g.comment(customerComment, 73))
}

// Days are counted from the first of 1992.
var (
	dates      = newDates()
	currentDay = int64(time.Date(1995, 6, 17, 0, 0, 0, 0, time.UTC).Sub(firstDay).Hours() / 24)
	firstDay   = time.Date(1992, 1, 1, 0, 0, 0, 0, time.UTC)
)

const (
	days       = 2557
	maxShip    = 121
	maxReceipt = 30
)

func newDates() []string {
	list := make([]string, days)
	for i := range list {
		list[i] = firstDay.AddDate(0, 0, i).Format(time.DateOnly)
	}
	return list
}

// line is a row of lineitem.
type line struct {
	part, supplier, quantity, price, discount, tax int64
	ship, commit, receipt                          int64
	returned, status                               string
	instruction, mode, comment                     string
}

func (g *generator) order(i int64) {
	key := i>>3<<5 | i&7 // a quarter of the keys is in use
	customer := g.between(orderCustomer, 1, g.customers)
	// A third of the customers has no orders.
	for step := int64(1); customer%3 == 0; step = -step {
		customer = min(customer+step, g.customers)
	}
	day := g.between(orderDate, 0, days-maxShip-maxReceipt-1)
	priority := g.pick(orderPriority, priorities)
	clerk := g.between(orderClerk, 1, 1000*g.factor)
	comment := g.comment(orderComment, 49)
	var lines [maxLines]line
	n := g.between(orderLines, 1, maxLines)
	total, shipped := int64(0), int64(0)
	for k := range n {
		l := &lines[k]
		g.line(l, day)
		total += l.price * (100 - l.discount) / 100 * (100 + l.tax) / 100
		if l.status == "F" {
			shipped++
		}
	}
	status := "O"
	switch {
	case shipped == n:
		status = "F"
	case shipped > 0:
		status = "P"
	}
	g.emit("orders", key, customer, status, money(total), dates[day], priority,
		fmt.Sprintf("Clerk#%09d", clerk), int64(0), comment)
	for k := range n {
		l := &lines[k]
		g.emit("lineitem", key, l.part, l.supplier, k+1, l.quantity, money(l.price), money(l.discount), money(l.tax),
			l.returned, l.status, dates[l.ship], dates[l.commit], dates[l.receipt], l.instruction, l.mode, l.comment)
	}
}

func (g *generator) line(l *line, ordered int64) {
	l.quantity = g.between(lineQuantity, 1, 50)
	l.discount = g.between(lineDiscount, 0, 10)
	l.tax = g.between(lineTax, 0, 8)
	l.instruction = g.pick(lineInstruction, instructions)
	l.mode = g.pick(lineMode, modes)
	l.comment = g.comment(lineComment, 27)
	l.part = g.between(linePart, 1, g.parts)
	l.supplier = g.supplierOf(l.part, g.between(lineSupplier, 0, suppliersOfPart-1))
	l.price = l.quantity * price(l.part)
	l.ship = ordered + g.between(lineShip, 1, maxShip)
	l.commit = ordered + g.between(lineCommit, 30, 90)
	l.receipt = l.ship + g.between(lineReceipt, 1, maxReceipt)
	l.returned, l.status = "N", "O"
	if l.receipt <= currentDay {
		l.returned = g.pick(lineReturn, returns)
	}
	if l.ship <= currentDay {
		l.status = "F"
	}
}
