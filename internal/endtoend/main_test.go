package endtoend

import (
	"os"
	"testing"

	"github.com/fitbit-fetch/fitbit-fetch/internal/proctest"
)

// binary is the program under test; TestMain builds it, and nothing changes it later.
var binary string

func TestMain(m *testing.M) { os.Exit(proctest.Main(m, &binary)) }
