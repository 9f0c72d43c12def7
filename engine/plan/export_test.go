package plan

// For tests in package plan_test, which also import what imports this package.
var NewCatalog = newCatalog
