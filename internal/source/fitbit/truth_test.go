package fitbit_test

import "context"

var bg = context.Background()
