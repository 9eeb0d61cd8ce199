package sourcetest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

var (
	trackpoint = regexp.MustCompile(`(?s)<Trackpoint>.*?</Trackpoint>`)
	trackGroup = regexp.MustCompile(`(?s)<(Position|HeartRateBpm)>.*?</(Position|HeartRateBpm)>`)
	trackLeaf  = regexp.MustCompile(`<(\w+)>([^<>]*)</\w+>`)
)

// trackMutations makes each change of a track, one trackpoint at a time, as tree.mutations does of JSON: one of its members is gone, has
// another name, or no number in it; the trackpoint stands twice; all of them are in the other order. Of what is no track it makes none.
func trackMutations(text string, did func(path, mutation string, in *element, text string)) {
	places := trackpoint.FindAllStringIndex(text, -1)
	var points []string
	for _, p := range places {
		points = append(points, text[p[0]:p[1]])
	}
	write := func(points []string) string {
		if len(places) == 0 {
			return text
		}
		return text[:places[0][0]] + strings.Join(points, "\n") + text[places[len(places)-1][1]:]
	}
	for i, point := range points {
		in := &element{path: fmt.Sprintf("Trackpoint[%d]", i), others: len(points) > 1}
		in.without = write(slices.Delete(slices.Clone(points), i, i+1))
		with := func(path, mutation, changed string) {
			list := slices.Clone(points)
			list[i] = changed
			did(in.path+path, mutation, in, write(list))
		}
		with("", "doubled", point+point)
		with("", "stranger", strings.Replace(point, "<Trackpoint>", "<Trackpoint><StrangerBeside>7</StrangerBeside>", 1))
		for _, g := range trackGroup.FindAllStringSubmatchIndex(point, -1) {
			with("."+point[g[2]:g[3]], "removed", point[:g[0]]+point[g[1]:])
		}
		for _, l := range trackLeaf.FindAllStringSubmatchIndex(point, -1) {
			name, value := point[l[2]:l[3]], point[l[4]:l[5]]
			set := func(leaf string) string { return point[:l[0]] + leaf + point[l[1]:] }
			with("."+name, "removed", set(""))
			with("."+name, "renamed", set("<new"+name+">"+value+"</new"+name+">"))
			with("."+name, "NaN", set("<"+name+">NaN</"+name+">"))
			with("."+name, "null", set("<"+name+"></"+name+">"))
			with("."+name, "type", set("<"+name+">text</"+name+">"))
			if n := numberText.FindStringSubmatch(value); n != nil && strings.Trim(value, "0.") != "" {
				with("."+name, "minus", set("<"+name+">-"+value+"</"+name+">"))
			}
		}
	}
	if len(points) > 1 {
		list := slices.Clone(points)
		slices.Reverse(list)
		did("Trackpoint", "reversed", nil, write(list))
	}
}
