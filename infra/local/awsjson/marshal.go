package awsjson

import (
	"encoding/json"
	"reflect"
	"time"
)

// Marshal writes one of the SDK's output types as the service would: absent members are left out, times are seconds
// since 1970, blobs are base64, and what the SDK adds for itself (ResultMetadata) is not there.
func Marshal(v any) ([]byte, error) { return json.Marshal(plain(reflect.ValueOf(v))) }

var timeType = reflect.TypeFor[time.Time]()

func plain(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Invalid:
		return struct{}{}
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return struct{}{}
		}
		return plain(v.Elem())
	case reflect.Struct:
		if v.Type() == timeType {
			return float64(v.Interface().(time.Time).UnixMilli()) / 1000
		}
		members := map[string]any{}
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if !f.IsExported() || f.Name == "ResultMetadata" || absent(v.Field(i)) {
				continue
			}
			members[f.Name] = plain(v.Field(i))
		}
		return members
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return v.Bytes()
		}
		list := make([]any, v.Len())
		for i := range list {
			list[i] = plain(v.Index(i))
		}
		return list
	case reflect.Map:
		members := map[string]any{}
		for _, key := range v.MapKeys() {
			members[key.String()] = plain(v.MapIndex(key))
		}
		return members
	}
	return v.Interface()
}

// absent tells whether a member was not set. An enum is a string that is never empty when it is there.
func absent(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface, reflect.Slice, reflect.Map:
		return v.IsNil()
	case reflect.String:
		return v.Len() == 0
	}
	return false
}
