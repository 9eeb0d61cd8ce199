package supervisortest

import (
	"encoding/json"
	"net/http"
	"strings"
)

// What the machine is called. Nothing depends on it.
const (
	supervisorVersion = "2026.08.1"
	systemVersion     = "16.2"
	arch              = "amd64"
)

type object = map[string]any

// base is what the store, the list and the details say of the app.
func (s *Supervisor) base() object {
	c := s.cfg.App.config
	return object{
		"advanced": false, "available": true, "build": false, "description": c.Description, "detached": false, "homeassistant": c.HomeAssistant,
		"icon": true, "logo": true, "name": c.Name, "repository": repository, "slug": s.cfg.App.Slug, "stage": "stable", "update_available": false,
		"url": c.URL, "version": c.Version, "version_latest": c.Version, "arch": c.Arch, "documentation": true, "state": "started", "installed": true,
	}
}

// info is what there is to know of the app: to itself at /addons/self/info, and to Core.
func (s *Supervisor) info() object {
	a, c := s.cfg.App, s.cfg.App.config
	role := c.HassioRole
	if role == "" {
		role = "default"
	}
	services := []string{}
	services = append(services, c.Services...)
	s.mu.Lock()
	panel := s.panel
	s.mu.Unlock()
	out := s.base()
	for key, value := range (object{
		"hostname": strings.ReplaceAll(a.Slug, "_", "-"), "dns": []string{strings.ReplaceAll(a.Slug, "_", "-") + ".local.hass.io"}, "long_description": nil,
		"protected": true, "rating": 8, "boot_config": "auto", "boot": "auto", "options": c.Options, "schema": []any{}, "machine": []string{},
		"network": nil, "network_description": nil, "host_network": false, "host_pid": false, "host_ipc": false, "host_uts": false, "host_dbus": false,
		"privileged": []string{}, "full_access": false, "apparmor": "profile", "changelog": true, "stdin": false, "hassio_api": c.HassioAPI,
		"hassio_role": role, "auth_api": false, "homeassistant_api": c.HomeAssistantAPI, "gpio": false, "usb": false, "uart": false,
		"kernel_modules": false, "devicetree": false, "udev": false, "docker_api": false, "video": false, "audio": false, "startup": "application",
		"services": services, "discovery": []string{}, "translations": object{}, "ingress": c.Ingress, "signed": false, "webui": nil,
		"ingress_entry": nil, "ingress_url": nil, "ingress_port": nil, "ingress_panel": nil, "audio_input": nil, "audio_output": nil,
		"auto_update": false, "ip_address": a.Address.String(), "watchdog": false, "devices": []string{}, "system_managed": false,
		"system_managed_config_entry": nil, "log_format": "plain",
	}) {
		out[key] = value
	}
	if c.Ingress {
		out["ingress_entry"], out["ingress_url"] = a.Entry(), a.Entry()+"/"+c.IngressEntry
		out["ingress_port"], out["ingress_panel"] = c.IngressPort, panel
	}
	return out
}

// panels are the pages of apps that Core may show in its sidebar.
func (s *Supervisor) panels() object {
	c := s.cfg.App.config
	if !c.Ingress {
		return object{"panels": object{}}
	}
	title, icon, admin := c.PanelTitle, c.PanelIcon, c.PanelAdmin == nil || *c.PanelAdmin
	if title == "" {
		title = c.Name
	}
	if icon == "" {
		icon = "mdi:puzzle"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return object{"panels": object{s.cfg.App.Slug: object{"title": title, "icon": icon, "admin": admin, "enable": s.panel}}}
}

// data are the answers to GET that are the same at all times, by path; nil where there is none.
func (s *Supervisor) data(path string) any {
	version := s.cfg.Core.Version
	stats := object{"cpu_percent": 1.0, "memory_usage": 1 << 20, "memory_limit": 1 << 30, "memory_percent": 0.1, "network_rx": 0, "network_tx": 0, "blk_read": 0, "blk_write": 0}
	switch path {
	case "/supervisor/ping":
		return object{}
	case "/info":
		return object{
			"supervisor": supervisorVersion, "homeassistant": version, "hassos": systemVersion, "docker": "28.3.3", "hostname": "homeassistant",
			"operating_system": "Home Assistant OS " + systemVersion, "features": []string{"reboot", "shutdown", "network", "haos", "journal"},
			"machine": "generic-x86-64", "machine_id": "0123456789abcdef0123456789abcdef", "arch": arch, "state": "running",
			"supported_arch": []string{arch}, "supported": true, "channel": "stable", "logging": "info", "timezone": "Europe/Berlin",
		}
	case "/core/info":
		return object{
			"version": version, "version_latest": version, "update_available": false, "machine": "generic-x86-64", "ip_address": "172.30.32.1", "arch": arch,
			"image": "ghcr.io/home-assistant/generic-x86-64-homeassistant", "boot": true, "port": 8123, "ssl": false, "watchdog": true, "audio_input": nil,
			"audio_output": nil, "backups_exclude_database": false, "duplicate_log_file": false,
		}
	case "/supervisor/info":
		return object{
			"version": supervisorVersion, "version_latest": supervisorVersion, "update_available": false, "channel": "stable", "arch": arch, "supported": true,
			"healthy": true, "ip_address": Address, "timezone": "Europe/Berlin", "logging": "info", "debug": false, "debug_block": false, "diagnostics": false,
			"auto_update": true, "country": "DE", "detect_blocking_io": false, "feature_flags": object{}, "wait_boot": 5,
			"addons": []any{s.base()}, "addons_repositories": []any{object{"name": "Apps", "slug": repository}},
		}
	case "/os/info":
		return object{
			"version": systemVersion, "version_latest": systemVersion, "version_pending": nil, "update_available": false, "board": "generic-x86-64", "boot": "A",
			"data_disk": nil, "boot_slots": object{},
		}
	case "/host/info":
		return object{
			"agent_version": "1.7.2", "apparmor_version": "3.1.3", "chassis": "vm", "virtualization": "kvm", "cpe": nil, "deployment": "production",
			"disk_free": 20.0, "disk_total": 30.0, "disk_used": 10.0, "disk_life_time": nil, "features": []string{"reboot", "network", "haos"},
			"hostname": "homeassistant", "llmnr_hostname": "homeassistant", "kernel": "6.12.43", "operating_system": "Home Assistant OS " + systemVersion,
			"timezone": "Europe/Berlin", "dt_utc": "2026-11-20T09:00:00+00:00", "dt_synchronized": true, "use_ntp": true, "startup_time": 5.0,
			"boot_timestamp": 1763629200000000, "broadcast_llmnr": true, "broadcast_mdns": true,
		}
	case "/network/info":
		return object{
			"interfaces": []any{}, "docker": object{"interface": "hassio", "address": "172.30.32.0/23", "gateway": "172.30.32.1", "dns": "172.30.32.3"},
			"host_internet": true, "supervisor_internet": true,
		}
	case "/store":
		return object{
			"addons":       []any{s.base()},
			"repositories": []any{object{"slug": repository, "name": "Apps", "source": s.cfg.App.config.URL, "url": s.cfg.App.config.URL, "maintainer": ""}},
		}
	case "/store/addons":
		return object{"addons": []any{s.base()}}
	case "/store/addons/" + s.cfg.App.Slug:
		return s.info()
	case "/addons":
		return object{"addons": []any{s.base()}}
	case "/core/stats", "/supervisor/stats", "/addons/" + s.cfg.App.Slug + "/stats":
		return stats
	case "/mounts":
		return object{"default_backup_mount": nil, "mounts": []any{}}
	case "/jobs/info":
		return object{"ignore_conditions": []any{}, "jobs": []any{}}
	case "/resolution/info":
		return object{"unsupported": []any{}, "unhealthy": []any{}, "issues": []any{}, "suggestions": []any{}, "checks": []any{}}
	case "/backups":
		return object{"backups": []any{}}
	case "/backups/info":
		return object{"backups": []any{}, "days_until_stale": 30}
	case "/discovery":
		return object{"discovery": []any{}, "services": object{}}
	case "/available_updates":
		return object{"available_updates": []any{}}
	}
	return nil
}

// taken are the requests of Core that change something and are answered with nothing: what they set is not looked at here.
var taken = map[string]bool{
	"/supervisor/options": true, "/reload_updates": true, "/refresh_updates": true, "/store/reload": true, "/supervisor/reload": true,
	"/core/stop": true, "/backups/options": true,
}

// answer is for all the rest: what Core asks, and the little that every app may.
func (s *Supervisor) answer(w http.ResponseWriter, r *http.Request, path string, who caller) {
	if who != core && path != "/info" && path != "/supervisor/ping" {
		s.missing(w, r)
		return
	}
	switch r.Method {
	case http.MethodGet:
		if data := s.data(path); data != nil {
			ok(w, data)
			return
		}
		if strings.HasSuffix(path, "/changelog") || strings.HasSuffix(path, "/documentation") || strings.HasPrefix(path, "/core/logs") {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			return
		}
	case http.MethodPost:
		switch {
		case path == "/core/options":
			s.coreOptions(w, r)
			return
		case path == "/core/restart":
			s.cfg.Restart()
			ok(w, nil)
			return
		case path == "/supervisor/update":
			refuse(w, http.StatusBadRequest, "No supervisor update available - "+supervisorVersion)
			return
		case path == "/addons/"+s.cfg.App.Slug+"/options":
			s.appOptions(w, r)
			return
		case taken[path]:
			ok(w, nil)
			return
		}
	}
	s.missing(w, r)
}

// coreOptions is how Core says how it is to be reached: an older one with a token.
func (s *Supervisor) coreOptions(w http.ResponseWriter, r *http.Request) {
	text, good := body(w, r)
	if !good {
		return
	}
	var in struct {
		Token *string `json:"refresh_token"`
	}
	if err := json.Unmarshal(text, &in); err != nil {
		refuse(w, http.StatusBadRequest, "Invalid json")
		return
	}
	if in.Token != nil {
		s.core.refreshWith(*in.Token)
	}
	ok(w, nil)
}

// appOptions is the form's and the switches' side of the app: of them only the one for the sidebar is known here.
func (s *Supervisor) appOptions(w http.ResponseWriter, r *http.Request) {
	text, good := body(w, r)
	if !good {
		return
	}
	var in struct {
		Panel *bool `json:"ingress_panel"`
	}
	if err := json.Unmarshal(text, &in); err != nil || in.Panel == nil {
		s.missing(w, r)
		return
	}
	s.mu.Lock()
	s.panel = *in.Panel
	s.mu.Unlock()
	ok(w, nil)
}
