package dashboard

// A viz is how a panel shows its answers: one of Grafana's own panel types.
type viz string

const (
	lines     viz = "timeseries"
	stat      viz = "stat"
	pie       viz = "piechart"
	timeline  viz = "state-timeline"
	heat      viz = "heatmap"
	histogram viz = "histogram"
	table     viz = "table"
	geomap    viz = "geomap"
	trend     viz = "trend"
)

// A panel is one picture.
type panel struct {
	viz   viz
	title string
	about string // its description: what is seen, and what to make of it
	w, h  int    // of the dashboard's 24 columns, and rows of 30 pixels

	queries  []query
	unit     string
	decimals int // digits behind the point; auto for Grafana's choice
	min, max *float64
	steps    []step   // thresholds, which colour the values
	goal     *float64 // a dashed line to reach
	series   []series // looks of single series
	values   []value  // words for values

	bars    bool // lines: bars
	stack   bool // … on top of each other
	step    bool // … in steps
	points  bool // … points alone
	calc    string
	field   string // stat: which field; empty for numbers
	since   string // shows that long up to now, whatever the range, such as 24h
	gap     string // lines: values further apart are not connected; where it is empty, those of days with a day missing
	every   string // least interval of auto windows
	days    matrix // heat: how a series becomes days × hours
	sort    string // table: newest or highest first by this column
	scheme  string // heat: colours
	highest *float64
	lowest  *float64
}

// auto leaves the digits to Grafana.
const auto = -1

// A step is a threshold: from a value on, a colour. The first one's value does not count.
type step struct {
	from  float64
	color string
}

// A series is a look: of the answer of that name.
type series struct {
	name   string
	unit   string
	color  string
	axis   string // right for an axis of its own
	width  float64
	fill   float64 // opacity in percent; 0 leaves the panel's
	line   bool    // a line among bars
	dashed bool
	below  string // fill down to that series
	points bool   // with its points
	digits int
	show   string // another name
	wide   int    // table: pixels
}

// A value has a word and a colour.
type value struct {
	is    string
	text  string
	color string
}

// A matrix folds a series of equal steps into rows and columns: row and column are formats of the time, as Grafana (moment.js) writes them.
type matrix struct {
	row, column string
	from        string // name of the series
	later       int    // hours by which the times are moved on first
}

// A row is a heading and its panels.
type row struct {
	title  string
	panels []panel
}

// A board is one dashboard.
type board struct {
	uid, title, about string
	from              string // default range, to now
	rows              []row
	workout           bool // has the variable that chooses a workout
}

func num(v float64) *float64 { return &v }

// The colours. One meaning has one colour everywhere.
const (
	red    = "#E5484D" // heart
	rose   = "#F2A0A3"
	green  = "#30A46C" // activity
	mint   = "#8FD3AE"
	lime   = "#99C94B"
	amber  = "#F5B83D" // body, warnings
	orange = "#F2813A"
	violet = "#8E6FE8" // variability
	lilac  = "#C4B5F5"
	sky    = "#3FA7E0" // breath, oxygen
	navy   = "#4B57CF" // deep sleep
	blue   = "#7F9FF5" // light sleep
	teal   = "#35B5AC" // REM
	grey   = "#8A919E"
	faint  = "#4A5160"
)
