package funcs

import (
	"slices"
	"strings"
	"testing"
)

// names are the functions of DataKit 1.84.
const names = `
add_key add_pattern adjust_timezone agg_create agg_metric append b64dec b64enc cache_get cache_set cast cidr
conv_traceid_w3c_to_dd cover create_point datetime decode default_time default_time_with_fmt delete drop drop_key
drop_origin_data duration_precision exit format_int geoip get_key gjson grok group_between group_in hash http_request
json json_all kv_split len load_json lowercase match mquery_refer_table nullif parse_date parse_duration parse_int
point_window pt_kvs_del pt_kvs_get pt_kvs_keys pt_kvs_set pt_name query_refer_table rename replace sample
set_measurement set_tag setopt slice_string sql_cover strfmt strlen timestamp trim uppercase url_decode url_parse use
user_agent vaild_json valid_json value_type window_hit xml
`

// TestNames checks that all functions are there, and no other.
func TestNames(t *testing.T) {
	known := strings.Fields(names)
	if len(known) != 75 {
		t.Errorf("%d names", len(known))
	}
	for _, name := range known {
		if Get(name) == nil {
			t.Errorf("the function %s is missing", name)
		}
	}
	for _, d := range All() {
		if !slices.Contains(known, d.Name) {
			t.Errorf("DataKit has no function %s", d.Name)
		}
		if !slices.Contains(Groups, d.Group) {
			t.Errorf("%s is in no group", d.Name)
		}
	}
}

func TestDeclarations(t *testing.T) {
	for _, d := range All() {
		for i, p := range d.Params {
			if p.Name == "" || p.Kind == Rest && i != len(d.Params)-1 {
				t.Errorf("%s: parameter %d", d.Name, i)
			}
			if p.Optional && i+1 < len(d.Params) && !d.Params[i+1].Optional && !d.Named {
				t.Errorf("%s: parameter %s follows an optional one", d.Name, d.Params[i+1].Name)
			}
		}
	}
}
