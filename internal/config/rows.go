package config

import (
	"strings"

	"github.com/fitbit-fetch/fitbit-fetch/translations"
)

// CommunityInfluxDB is where Home Assistant's community app serves InfluxDB 1. It always wants credentials, so that address alone
// switches nothing on.
const CommunityInfluxDB = "http://a0d7b954-influxdb:8086"

// A row is one option.
type row struct {
	path     string // in YAML and JSON; a dot goes into a section
	env      []name // the first that is set counts
	def      string // applied as if it had been written first
	defDoc   string // where the default is computed: in words
	kind     string // what can be said, for the documentation
	list     bool
	secret   bool
	person   bool   // every person has it
	database bool   // every database has it
	hidden   bool   // for developers
	apart    bool   // not in the form of Home Assistant's app, which decides it itself
	app      string // what that form starts with, where it is neither def nor empty
	doc      string
	set      func(t target, text string) error
	setEnv   func(t target, text string) error // where the environment has words of its own
	clear    func(t target)                    // of a list: before the first of its items is set
}

// name is an environment variable; where only is said it means something only with that provider or version of InfluxDB.
type name struct{ name, only string }

// target is what a row writes to.
type target struct {
	*Options
	person *Person
	db     *InfluxDB
}

func names(n string) []name { return []name{{name: n}} }

// own is our name for an option, for all that the Python project has no name for.
func own(suffix string) name { return name{name: "FITBIT_FETCH_" + suffix} }

func google(n string) name { return name{n, "google"} }

// rows is the one list of options, in the order of the documentation.
func rows() []row {
	return []row{
		// Where from
		{path: "provider", env: names("HEALTH_API_PROVIDER"), kind: "google, fitbit",
			defDoc: "google; fitbit where the environment names a client of Fitbit's in CLIENT_ID and no GOOGLE_CLIENT_ID",
			doc:    "The service to ask. Google Health is the live one; the Fitbit Web API was switched off in November 2026.",
			set:    choice(func(t target) *string { return &t.Provider }, "google", "fitbit")},
		{path: "client_id", env: []name{google("GOOGLE_CLIENT_ID"), {name: "CLIENT_ID"}}, kind: "text", person: true,
			doc: "Id of your OAuth client. A further person without one uses the first person's.",
			set: text(func(t target) *string { return &t.person.ClientID })},
		{path: "client_secret", env: []name{google("GOOGLE_CLIENT_SECRET"), {name: "CLIENT_SECRET"}}, kind: "text", secret: true, person: true,
			doc: "Secret of your OAuth client.",
			set: secret(func(t target) *Secret { return &t.person.ClientSecret })},
		{path: "refresh_token", env: []name{own("REFRESH_TOKEN")}, kind: "text", secret: true, person: true,
			doc: "A refresh token you have already. It is taken over once, when the token file holds none; otherwise authorize on the page or in a terminal.",
			set: secret(func(t target) *Secret { return &t.person.RefreshToken })},
		{path: "authorization_address", env: []name{own("AUTHORIZATION_ADDRESS")}, kind: "text", secret: true, person: true,
			doc: "The address that the browser ended on after the consent page whose link stands in the log. It works once: where the person is not authorized yet, or the authorization has ended. A used one is not tried again.",
			set: secret(func(t target) *Secret { return &t.person.AuthorizationAddress })},
		{path: "redirect_uri", env: []name{own("REDIRECT_URI")}, def: "http://localhost:8080", kind: "address",
			doc: "The redirect address registered for the client.",
			set: address(func(t target) *string { return &t.Redirect })},

		// Who
		{path: "name", env: []name{own("NAME")}, kind: "text", person: true,
			doc: "What the person is called. A further person must have a name: it becomes the tag Person and must not change. The first person's points have no such tag.",
			set: text(func(t target) *string { return &t.person.Name })},
		{path: "device", env: names("DEVICENAME"), kind: "text", person: true, defDoc: "the one that the database has, else as the service calls it",
			doc: "Value of the tag Device. Without it, a database that another program filled for the first person goes on in the Device it has, so that nothing is there twice.",
			set: text(func(t target) *string { return &t.person.Device })},
		{path: "time_zone", env: names("LOCAL_TIMEZONE"), kind: "Automatic, or a name such as Europe/Berlin", def: "Automatic", person: true,
			doc: "The person's time zone. Automatic takes what the service says, and the zone of the machine while it says none. A fixed offset is written UTC+05:30.",
			set: zone},
		{path: "token_file", apart: true, env: names("TOKEN_FILE_PATH"), kind: "file", defDoc: "token.json in the data folder", person: true,
			doc: "Where the authorization is kept. Both forms of the Python project's file are read, and it can go on with what is written. As root, the program becomes the owner of its folder.",
			set: text(func(t target) *string { return &t.person.TokenFile })},

		// What
		{path: "backfill_start", env: []name{own("BACKFILL_START")}, def: "365", kind: "YYYY-MM-DD, a number of days, all",
			doc: "How far back history is fetched. all reaches back to 2009, which takes hours even for years without data.",
			set: backfill},
		{path: "heart_rate_detail", env: []name{own("HEART_RATE_DETAIL")}, def: "raw", kind: "raw, minute",
			doc: "raw keeps what the device measured, every 1 to 5 s; minute keeps mean, lowest and highest of each minute only.",
			set: choice(func(t target) *string { return &t.HeartRate }, "raw", "minute")},
		{path: "leave_out", env: []name{own("LEAVE_OUT")}, kind: "ids of docs/schema.md", list: true,
			doc: "Series that are neither asked for nor kept, such as track or weight.",
			set: leaveOut, clear: func(t target) { t.LeaveOut = nil }},
		{path: "take_in", env: []name{own("TAKE_IN")}, kind: "ids of docs/schema.md", list: true,
			doc: "Series that are fetched only where they are named here: calories_intraday, distance_intraday, floors_intraday, elevation_intraday. At the Fitbit Web API each takes one of the 150 requests an hour for each day of history, and at most one an hour from then on.",
			set: takeIn, clear: func(t target) { t.TakeIn = nil }},

		// Where people look
		{path: "sensors", env: []name{own("SENSORS")}, def: "all", kind: "all, missing",
			doc: "Which sensors Home Assistant gets: all, or only those that its own Google Health integration lacks.",
			set: choice(func(t target) *string { return &t.Sensors }, "all", "missing")},
		{path: "language", env: []name{own("LANGUAGE")}, def: "auto", kind: "auto, " + strings.Join(translations.Languages(), ", "),
			doc: "Language of the sensors' names and of the page. auto takes, for the names, Home Assistant's in its app and en elsewhere, and for the page the browser's.",
			set: language},
		{path: "mqtt.enabled", env: []name{own("MQTT_ENABLED")}, def: "true", kind: "yes or no",
			doc: "Publish sensors for Home Assistant; no removes those that were published. In its app the broker is found by itself; elsewhere mqtt.host is needed, and nothing is published without it.",
			set: boolean(func(t target) *bool { return &t.MQTT.On })},
		{path: "mqtt.host", env: []name{own("MQTT_HOST")}, kind: "host", defDoc: "in the app: the broker of Home Assistant",
			doc: "Name or address of the broker's machine, if it is another than Home Assistant's.",
			set: machine(func(t target) *string { return &t.MQTT.Host })},
		{path: "mqtt.port", env: []name{own("MQTT_PORT")}, kind: "number", defDoc: "1883; 8883 with TLS",
			doc: "Port of the broker.",
			set: number(func(t target) *int { return &t.MQTT.Port }, 1, 65535)},
		{path: "mqtt.username", env: []name{own("MQTT_USERNAME")}, kind: "text",
			doc: "User at the broker.",
			set: text(func(t target) *string { return &t.MQTT.Username })},
		{path: "mqtt.password", env: []name{own("MQTT_PASSWORD")}, kind: "text", secret: true,
			doc: "Password at the broker.",
			set: secret(func(t target) *Secret { return &t.MQTT.Password })},
		{path: "mqtt.tls", env: []name{own("MQTT_TLS")}, def: "false", kind: "yes or no",
			doc: "Encrypt the connection to the broker.",
			set: boolean(func(t target) *bool { return &t.MQTT.TLS })},
		{path: "mqtt.tls_ca", env: []name{own("MQTT_TLS_CA")}, kind: "file",
			doc: "Certificate (PEM) of the authority that signed the broker's; in the app a file below /ssl. It means TLS.",
			set: text(func(t target) *string { return &t.MQTT.CA })},
		{path: "mqtt.tls_insecure", env: []name{own("MQTT_TLS_INSECURE")}, def: "false", kind: "yes or no",
			doc: "Accept any certificate of the broker. Whoever is between can read and change the data, and learns the password. It means TLS.",
			set: boolean(func(t target) *bool { return &t.MQTT.Insecure })},
		{path: "mqtt.discovery_prefix", env: []name{own("MQTT_DISCOVERY_PREFIX")}, def: "homeassistant", kind: "topic",
			doc: "Topic below which Home Assistant looks for devices.",
			set: topic(func(t target) *string { return &t.MQTT.Prefix })},
		{path: "mqtt.node", env: []name{own("MQTT_NODE")}, def: "fitbit_fetch", kind: "name",
			doc: "Begins all topics and ids. Only where two Fitbit Fetch publish at one broker, for one of them: another name, such as fitbit_fetch_2, makes entities of its own.",
			set: nodeName(func(t target) *string { return &t.MQTT.Node })},

		// Where to
		{path: "influxdb.version", database: true, env: names("INFLUXDB_VERSION"), def: "1", kind: "1, 2, 3, victoriametrics, off",
			doc: "Version of your InfluxDB, or victoriametrics. Nothing is written to a database while none of the options here is set but this one.",
			set: version},
		{path: "influxdb.host", apart: true, env: names("INFLUXDB_HOST"), kind: "host", defDoc: "localhost",
			doc: "Not version 2: name of the machine; https:// before it means TLS.",
			set: text(func(t target) *string { return &t.db.host })},
		{path: "influxdb.port", apart: true, env: names("INFLUXDB_PORT"), kind: "number", defDoc: "8086; 8428 for VictoriaMetrics",
			doc: "Not version 2: port. InfluxDB 3 itself listens at 8181.",
			set: number(func(t target) *int { return &t.db.port }, 1, 65535)},
		{path: "influxdb.url", database: true, env: names("INFLUXDB_URL"), kind: "address", app: CommunityInfluxDB,
			defDoc: "in the app: " + CommunityInfluxDB,
			doc:    "Version 2: address. Else in the place of host and port, where no host is set. For a VictoriaMetrics cluster it ends in /insert/ and the account, such as http://vminsert:8480/insert/0.",
			set:    address(func(t target) *string { return &t.db.URL })},
		{path: "influxdb.database", database: true, env: names("INFLUXDB_DATABASE"), def: "FitbitHealthStats", kind: "text",
			doc: "Versions 1 and 3: database. It is created where that is allowed.",
			set: text(func(t target) *string { return &t.db.Database })},
		{path: "influxdb.username", database: true, env: names("INFLUXDB_USERNAME"), kind: "text",
			doc: "Version 1 and VictoriaMetrics: user.",
			set: text(func(t target) *string { return &t.db.Username })},
		{path: "influxdb.password", database: true, env: names("INFLUXDB_PASSWORD"), kind: "text", secret: true,
			doc: "Version 1 and VictoriaMetrics: password.",
			set: secret(func(t target) *Secret { return &t.db.Password })},
		{path: "influxdb.token", database: true, env: []name{{"INFLUXDB_TOKEN", "2"}, {"INFLUXDB_V3_ACCESS_TOKEN", "3"}}, kind: "text", secret: true,
			doc: "Versions 2 and 3: token; VictoriaMetrics behind vmauth: bearer token. In the environment INFLUXDB_TOKEN is version 2's, INFLUXDB_V3_ACCESS_TOKEN version 3's.",
			set: secret(func(t target) *Secret { return &t.db.Token })},
		{path: "influxdb.org", database: true, env: names("INFLUXDB_ORG"), kind: "text",
			doc: "Version 2: organisation.",
			set: text(func(t target) *string { return &t.db.Org })},
		{path: "influxdb.bucket", database: true, env: names("INFLUXDB_BUCKET"), kind: "text",
			doc: "Version 2: bucket. It is created where that is allowed.",
			set: text(func(t target) *string { return &t.db.Bucket })},
		{path: "influxdb.units", database: true, env: []name{own("INFLUXDB_UNITS")}, def: "auto", kind: "auto, metric, python",
			doc: "auto goes on in the units that a database has already (the Python project wrote pounds, miles and °F, unless its owner changed that), and is metric in any other.",
			set: choice(func(t target) *string { return &t.db.Units }, "auto", "metric", "python")},
		{path: "influxdb.tls_ca", database: true, env: []name{own("INFLUXDB_TLS_CA")}, kind: "file",
			doc: "Certificate (PEM) of the authority that signed the server's.",
			set: text(func(t target) *string { return &t.db.CA })},
		{path: "influxdb.tls_insecure", database: true, env: []name{own("INFLUXDB_TLS_INSECURE")}, def: "false", kind: "yes or no",
			doc: "Accept any certificate. Whoever is between can read and change the data.",
			set: boolean(func(t target) *bool { return &t.db.Insecure })},

		{path: "page.listen", apart: true, env: []name{own("PAGE_LISTEN")}, kind: "host:port, off", defDoc: "127.0.0.1:8099; :8099 with a password",
			doc: "Where the page is served. Beyond this machine it needs a password. In Home Assistant's app it stands in the side bar.",
			set: text(func(t target) *string { return &t.Page.Listen })},
		{path: "page.password", apart: true, env: []name{own("PAGE_PASSWORD")}, kind: "text", secret: true,
			doc: "Password of the page, for those who open it from another machine.",
			set: secret(func(t target) *Secret { return &t.Page.Password })},

		// Where it is kept
		{path: "data_dir", apart: true, env: []name{own("DATA_DIR")}, kind: "folder", defDoc: "/data in the Home Assistant app; the folder of TOKEN_FILE_PATH; $STATE_DIRECTORY; ~/.local/state/fitbit-fetch",
			doc: "Folder of the archive, the tokens and the socket for commands.",
			set: text(func(t target) *string { return &t.DataDir })},
		{path: "archive", apart: true, env: []name{own("ARCHIVE")}, kind: "file", defDoc: "archive.db in the data folder",
			doc: "The archive: one SQLite file.",
			set: text(func(t target) *string { return &t.Archive })},

		// How
		{path: "log_level", env: names("LOG_LEVEL"), def: "info", kind: "trace, debug, info, warning, error",
			doc: "How much is logged.",
			set: level},
		{path: "log_file", apart: true, env: names("FITBIT_LOG_FILE_PATH"), kind: "file",
			doc: "Log to this file as well; it is rotated at 10 MB, never truncated. Its folder is made where it is missing.",
			set: text(func(t target) *string { return &t.Log.File })},
		{path: "dry_run", apart: true, env: names("DRY_RUN_MODE"), def: "false", kind: "yes or no",
			doc: "Fetch, but write nothing to a database. The archive keeps what is fetched: it is delivered when this is off again.",
			set: boolean(func(t target) *bool { return &t.DryRun })},
		{path: "manual_start_date", apart: true, env: names("MANUAL_START_DATE"), kind: "YYYY-MM-DD",
			doc: "Bulk update from this day on, then end. Started again for days that a bulk update has been through, it asks for nothing.",
			set: date(func(t target) *dayField { return (*dayField)(&t.Manual.From) })},
		{path: "manual_end_date", apart: true, env: names("MANUAL_END_DATE"), kind: "YYYY-MM-DD", defDoc: "today",
			doc: "Last day of the bulk update.",
			set: date(func(t target) *dayField { return (*dayField)(&t.Manual.To) })},
		{path: "auto_date_range", apart: true, env: names("AUTO_DATE_RANGE"), kind: "yes or no", defDoc: "yes, unless manual_start_date is set",
			doc: "no: bulk update; the days are asked for at the terminal where they are not set. In the environment False, false, FALSE, f, F, no, No, NO and 0 are no, all else is yes.",
			set: boolean(func(t target) *bool { t.Manual.auto = new(bool); return t.Manual.auto }), setEnv: autoRange},

		// For developers
		{path: "service.api_url", env: []name{google("GOOGLE_HEALTH_BASE_URL"), own("API_URL")}, kind: "address", defDoc: "the service's own", hidden: true,
			doc: "Address of the API. Any server that speaks its protocol will do, such as that of fitbit-fetch simulate.",
			set: address(func(t target) *string { return &t.Service.API })},
		{path: "service.api_version", env: []name{google("GOOGLE_HEALTH_API_VERSION"), own("API_VERSION")}, kind: "text", defDoc: "v4", hidden: true,
			doc: "Version of the API, as in its paths.",
			set: text(func(t target) *string { return &t.Service.APIVersion })},
		{path: "service.auth_url", env: []name{own("AUTH_URL")}, kind: "address", defDoc: "the service's own", hidden: true,
			doc: "Address of the consent page.",
			set: address(func(t target) *string { return &t.Service.Auth })},
		{path: "service.token_url", env: []name{google("GOOGLE_OAUTH_TOKEN_URL"), own("TOKEN_URL")}, kind: "address", defDoc: "the service's own", hidden: true,
			doc: "Address of the token service.",
			set: address(func(t target) *string { return &t.Service.Token })},
		{path: "service.revoke_url", env: []name{own("REVOKE_URL")}, kind: "address", defDoc: "the service's own", hidden: true,
			doc: "Address that takes a right back.",
			set: address(func(t target) *string { return &t.Service.Revoke })},
		{path: "polite", env: []name{own("POLITE")}, def: "true", kind: "yes or no", hidden: true,
			doc: "Keep to the service's limits of requests. no is for a simulated service on this machine only.",
			set: boolean(func(t target) *bool { return &t.Polite })},
		{path: "clock", env: []name{own("CLOCK")}, kind: "START@SPEED", defDoc: "the real time", hidden: true,
			doc: "Run in another time, for use against a simulated service: 2026-11-20T07:00:00Z@60 starts there and is sixty times as fast.",
			set: simulated},
	}
}
