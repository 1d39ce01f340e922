package timetext

import (
	"errors"
	"fmt"
	"time"
)

// zones are the names for offsets. They stand for places, with their daylight saving time.
var zones = map[string]string{
	"-11": "Pacific/Midway", "-10": "Pacific/Honolulu", "-9:30": "Pacific/Marquesas", "-9": "America/Anchorage",
	"-8": "America/Los_Angeles", "-7": "America/Phoenix", "-6": "America/Chicago", "-5": "America/New_York",
	"-4": "America/Santiago", "-3:30": "America/St_Johns", "-3": "America/Sao_Paulo", "-2": "America/Noronha",
	"-1": "America/Scoresbysund", "+0": "Europe/London", "+1": "Europe/Vatican", "+2": "Europe/Kiev", "+3": "Europe/Moscow",
	"+3:30": "Asia/Tehran", "+4": "Asia/Dubai", "+4:30": "Asia/Kabul", "+5": "Asia/Samarkand", "+5:30": "Asia/Kolkata",
	"+5:45": "Asia/Kathmandu", "+6": "Asia/Almaty", "+6:30": "Asia/Yangon", "+7": "Asia/Jakarta", "+8": "Asia/Shanghai",
	"+8:45": "Australia/Eucla", "+9": "Asia/Tokyo", "+9:30": "Australia/Darwin", "+10": "Australia/Sydney",
	"+10:30": "Australia/Lord_Howe", "+11": "Pacific/Guadalcanal", "+12": "Pacific/Auckland", "+12:45": "Pacific/Chatham",
	"+13": "Pacific/Apia", "+14": "Pacific/Kiritimati",
}

// Zone returns the time zone of an offset like "+8" or "-3:30", or of an IANA name. The names "" and "Local" are none:
// what they mean depends on the machine.
func Zone(name string) (*time.Location, error) {
	if place, ok := zones[name]; ok {
		name = place
	}
	if name == "" || name == "Local" {
		return nil, errors.New("the name of the time zone is missing")
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("unknown time zone %q", name)
	}
	return loc, nil
}
