package driver

import (
	"flag"
	"slices"
)

// logFlags are the command-line flags that a log package (glog), which comes with
// Vitess's parser, defines when it is initialised.
var logFlags = []string{"alsologtostderr", "log_backtrace_at", "log_dir", "log_link", "logbuflevel", "logtostderr", "stderrthreshold", "v", "vmodule"}

// The flags of a program are its own: it may define -v, and -h lists nothing that it
// does not know of. Flags cannot be taken out of a set, so a new one takes its place;
// those of the program itself are defined later.
func init() {
	all := flag.CommandLine
	own := flag.NewFlagSet(all.Name(), all.ErrorHandling())
	own.Usage = func() { flag.Usage() }
	all.VisitAll(func(f *flag.Flag) {
		if !slices.Contains(logFlags, f.Name) {
			own.Var(f.Value, f.Name, f.Usage)
		}
	})
	flag.CommandLine = own
}
