package config

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// finish fills in what is computed and checks what concerns several options.
func (l *loader) finish() {
	l.folders()
	l.people()
	l.manual()
	l.retired()
	l.influx()
	l.mqtt()
	for _, id := range l.opts.TakeIn {
		if slices.Contains(l.opts.LeaveOut, id) {
			where, _, _ := strings.Cut(l.where("take_in"), "[") // it is the last item's
			l.problems.add(where, "%s stands in leave_out too; take it out of one of them", id)
		}
	}
	if !l.opts.Polite && !loopback(l.opts.Service.API) {
		l.problems.add(l.where("polite"), "no is allowed for a service on this machine only; set service.api_url to one, or leave this out")
	}
}

// where names an option as the user wrote it, or as it could be written.
func (l *loader) where(path string) string {
	if w, ok := l.said[path]; ok {
		return w
	}
	if l.opts.InApp {
		return path
	}
	r := l.row(path)
	for _, n := range r.env {
		if l.counts(n.only) {
			return path + " (" + n.name + ")"
		}
	}
	return path
}

// folders decides where things lie. The archive lies beside the token file of the Python project, because that folder survives its
// container.
func (l *loader) folders() {
	o := &l.opts
	l.abs("data_dir", &o.DataDir)
	l.abs("archive", &o.Archive)
	l.abs("log_file", &o.Log.File)
	l.abs("influxdb.tls_ca", &o.InfluxDB.CA)
	for i := range o.More {
		l.abs("influxdb.tls_ca", &o.More[i].CA)
	}
	l.abs("mqtt.tls_ca", &o.MQTT.CA)
	for i := range o.Persons {
		l.abs("token_file", &o.Persons[i].TokenFile)
	}
	switch {
	case o.DataDir != "":
	case o.InApp:
		o.DataDir = filepath.Dir(l.in.App)
	case o.Persons[0].TokenFile != "":
		o.DataDir = filepath.Dir(o.Persons[0].TokenFile)
	default:
		o.DataDir = stateDir(l.in.Env)
	}
	if o.DataDir == "" {
		l.problems.add(l.where("data_dir"), "no folder for the data is known here; set one")
		return
	}
	if o.Archive == "" {
		o.Archive = filepath.Join(o.DataDir, "archive.db")
	}
	for i := range o.Persons {
		p := &o.Persons[i]
		switch {
		case p.TokenFile != "":
		case i == 0:
			p.TokenFile = filepath.Join(o.DataDir, "token.json")
		default:
			p.TokenFile = filepath.Join(o.DataDir, "token-"+p.ID+".json")
		}
	}
}

func (l *loader) abs(path string, field *string) {
	if *field == "" {
		return
	}
	abs, err := l.in.Abs(*field)
	if err != nil {
		l.problems.add(l.where(path), "%q: the current folder is not known: %v", brief(*field), err)
		return
	}
	*field = abs
}

// people completes the further persons and keeps two from sharing a token file.
func (l *loader) people() {
	seen := map[string]string{}
	for i := range l.opts.Persons {
		p := &l.opts.Persons[i]
		if i > 0 && p.ClientID == "" && p.ClientSecret.Set() {
			l.problems.add(fmt.Sprintf("persons[%d].client_id", i-1), "is missing beside the client secret; leave both out to use the first person's")
		}
		if p.ClientID == "" {
			p.ClientID, p.ClientSecret = l.opts.Persons[0].ClientID, l.opts.Persons[0].ClientSecret
		}
		if other, taken := seen[p.TokenFile]; taken && other != p.ID {
			l.problems.add("persons", "%s and %s have the same token file; each person needs one", other, p.ID)
		}
		if p.ID != "" && p.TokenFile != "" {
			seen[p.TokenFile] = p.ID
		}
	}
	first := l.opts.Persons[0]
	if first.ClientID == "" && first.ClientSecret.Set() {
		l.problems.add(l.where("client_id"), "is missing beside the client secret")
	}
}

// manual is the Python project's rule: a start day means a bulk update.
func (l *loader) manual() {
	m := &l.opts.Manual
	m.Bulk = m.From != 0 || m.auto != nil && !*m.auto
	if !m.Bulk && m.To != 0 {
		l.opts.Notes = append(l.opts.Notes, l.where("manual_end_date")+" means nothing without a start day or auto_date_range: no; it is left aside")
		m.To = 0
	}
	if m.From != 0 && m.To != 0 && m.To < m.From {
		l.problems.add(l.where("manual_end_date"), "%s is before the first day, %s (%s); swap them", m.To, m.From, l.where("manual_start_date"))
	}
}

// retired says what is the matter with the Fitbit Web API before it has been asked: to the Python project it is the provider where
// none is said.
func (l *loader) retired() {
	if l.opts.Provider != "fitbit" || l.opts.Service.API != "" {
		return
	}
	note := l.where("provider") + " is fitbit"
	if _, said := l.said["provider"]; !said {
		note = "provider (HEALTH_API_PROVIDER) is not set, and CLIENT_ID is, so it is fitbit, as in the Python project"
	}
	l.opts.Notes = append(l.opts.Notes, note+", but the Fitbit Web API was switched off in November 2026. "+
		"Set it to google, with the id and the secret of a Google client, and authorize anew; the archive and the databases go on as they are")
}

// influx completes the first database, or takes it away where nothing was said of it, and the further ones.
func (l *loader) influx() {
	db := &l.opts.InfluxDB
	said := false
	for path := range l.said {
		said = said || strings.HasPrefix(path, "influxdb.") && path != "influxdb.version"
	}
	preset := l.opts.InApp && db.Version == "1" && l.page["influxdb.url"] == "" && db.host == "" && db.URL == CommunityInfluxDB && db.Username == "" && !db.Password.Set() && !db.Token.Set()
	if said && !preset && db.Version != "" {
		l.database(db)
	} else {
		*db = InfluxDB{Version: db.Version, Units: db.Units}
	}
	for i := range l.opts.More {
		if l.opts.More[i].Version != "" {
			l.database(&l.opts.More[i])
		}
	}
	seen := map[string]bool{}
	for _, db := range l.opts.Databases() {
		place := strings.Join([]string{db.Version, db.URL, db.Database, db.Org, db.Bucket}, " ")
		if seen[place] && db.URL != "" {
			l.problems.add(db.at, "is the same database as one before it; keep one")
		}
		seen[place] = true
	}
}

// database makes one address of what the versions call differently, asks for what each needs, and leaves aside what it has no use for.
func (l *loader) database(db *InfluxDB) {
	db.On = true
	where := l.where
	if db.at != "" {
		where = func(path string) string {
			section, file, _ := strings.Cut(db.at, " in ") // of options.json; a YAML file stands before
			return strings.TrimSuffix(section+"."+strings.TrimPrefix(path, "influxdb.")+" in "+file, " in ")
		}
	}
	if db.Version != "2" && db.host != "" && db.URL != "" {
		l.opts.Notes = append(l.opts.Notes, where("influxdb.url")+" is left aside: except for InfluxDB 2, "+where("influxdb.host")+" counts")
	}
	if db.Version != "2" && db.at == "" && (db.host != "" || db.URL == "") {
		l.hostAndPort()
	}
	need := func(path, value string) {
		if value == "" {
			l.problems.add(where(path), "is needed for %s", db.Kind())
		}
	}
	if db.Version == "2" || db.at != "" {
		need("influxdb.url", db.URL)
	}
	if db.Version == "2" {
		need("influxdb.org", db.Org)
		need("influxdb.bucket", db.Bucket)
		need("influxdb.token", db.Token.Reveal())
		db.Database = ""
	} else {
		db.Org, db.Bucket = "", ""
	}
	switch db.Version {
	case "1", VictoriaMetrics:
		if db.Username == "" && db.Password.Set() {
			l.problems.add(where("influxdb.username"), "is missing beside the password")
		}
	}
	if db.Version == VictoriaMetrics {
		db.Database = ""
	}
	l.authority(where("influxdb.tls_ca"), db.CA)
}

// authority reads the certificate of an authority once: without it no connection would ever come.
func (l *loader) authority(where, file string) {
	if file == "" {
		return
	}
	data, err := l.in.ReadFile(file)
	switch {
	case err != nil:
		l.problems.add(where, "the file %s cannot be read: %v", file, cause(err))
	case !x509.NewCertPool().AppendCertsFromPEM(data):
		l.problems.add(where, "the file %s holds no certificate; want one that begins with -----BEGIN CERTIFICATE-----", file)
	}
}

func (l *loader) hostAndPort() {
	db := &l.opts.InfluxDB
	scheme, host := "http", db.host
	if host == "" {
		host = "localhost"
	}
	if s, rest, ok := strings.Cut(host, "://"); ok {
		scheme, host = s, strings.TrimRight(rest, "/")
	}
	port := 8086
	if db.Version == VictoriaMetrics {
		port = 8428
	}
	text := strconv.Itoa(cmp.Or(db.port, port))
	if h, p, err := net.SplitHostPort(host); err == nil {
		if _, both := l.said["influxdb.port"]; both && p != text {
			l.problems.add(l.where("influxdb.host"), "%q names a port, and %s names another; keep one", brief(db.host), l.where("influxdb.port"))
			return
		}
		host, text = h, p
	}
	u := scheme + "://" + net.JoinHostPort(strings.Trim(host, "[]"), text)
	if err := address(func(t target) *string { return &t.db.URL })(l.main(), u); err != nil {
		l.problems.add(l.where("influxdb.host"), "%q: want the name of a machine, such as influxdb or 192.168.1.20", brief(db.host))
	}
}

// mqtt decides whether there is a broker, and which.
func (l *loader) mqtt() {
	m := &l.opts.MQTT
	if m.On = m.On && (m.Host != "" || l.opts.InApp); !m.On { // the way to the broker is needed once more, to remove what is there
		if m.Host == "" {
			*m = MQTT{Ask: l.opts.InApp, Prefix: m.Prefix, Node: m.Node}
		}
		l.brokerPort()
		return
	}
	if m.Host == "" {
		for _, path := range []string{"mqtt.port", "mqtt.username", "mqtt.password", "mqtt.tls", "mqtt.tls_ca", "mqtt.tls_insecure"} {
			if w, said := l.said[path]; said && (path != "mqtt.tls" || m.TLS) && (path != "mqtt.tls_insecure" || m.Insecure) {
				l.opts.Notes = append(l.opts.Notes, w+" is left aside: without mqtt.host the broker of Home Assistant is used, with what it says itself")
			}
		}
		*m = MQTT{On: true, Ask: true, Prefix: m.Prefix, Node: m.Node}
		return
	}
	if m.Username == "" && m.Password.Set() {
		l.problems.add(l.where("mqtt.username"), "is missing beside the password")
	}
	l.authority(l.where("mqtt.tls_ca"), m.CA)
	l.brokerPort()
}

// brokerPort fills in what goes without saying.
func (l *loader) brokerPort() {
	m := &l.opts.MQTT
	m.TLS = m.TLS || m.CA != "" || m.Insecure
	if m.Host != "" && m.Port == 0 {
		m.Port = 1883
		if m.TLS {
			m.Port = 8883
		}
	}
}
