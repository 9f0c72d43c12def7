package main

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strings"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// html writes a page with a plot and a table for each section, and one for each
// workload that was done with tables of several sizes.
func (r *report) html(out io.Writer) error {
	data := struct {
		Setting  string
		Peers    []entrant
		Sections []pageSection
		Growth   []template.HTML
	}{Setting: r.setting(), Peers: r.Peers, Growth: r.growth()}
	for _, s := range r.Sections {
		cells := r.cells(s)
		data.Sections = append(data.Sections, pageSection{s.title(), r.ratios(s), r.legend(s), cells[0], cells[1:]})
	}
	return page.Execute(out, data)
}

type pageSection struct {
	Title  string
	Plot   template.HTML
	Legend template.HTML
	Head   []string
	Lines  [][]string
}

// svg builds a drawing; what is written into it is escaped by text.
type svg struct{ strings.Builder }

func (s *svg) add(format string, args ...any) { fmt.Fprintf(s, format+"\n", args...) }
func (s *svg) text(class string, x, y float64, text string) {
	s.add(`<text class="%s" x="%.1f" y="%.1f">%s</text>`, class, x, y, template.HTMLEscapeString(text))
}

// mark draws a peer's sign: each has a colour, and floors are hollow.
func (s *svg) mark(r *report, name string, x, y float64, title string) {
	i := slices.IndexFunc(r.Peers, func(p entrant) bool { return p.Name == name })
	class := fmt.Sprintf("p%d", i)
	if r.Peers[i].Floor {
		class += " floor"
	}
	s.add(`<circle class="%s" cx="%.1f" cy="%.1f" r="5"><title>%s</title></circle>`, class, x, y, template.HTMLEscapeString(title))
}

func (r *report) legend(s section) template.HTML {
	var b strings.Builder
	for _, p := range r.present(s) {
		if p.Name == kalamName {
			continue // it is where the ratio is 1
		}
		var mark svg
		mark.mark(r, p.Name, 6, 6, p.Name)
		fmt.Fprintf(&b, `<span><svg width="12" height="12" aria-hidden="true">%s</svg>%s</span> `, mark.String(), template.HTMLEscapeString(p.Name))
	}
	return template.HTML(b.String())
}

const (
	plotWidth  = 940.0
	labelWidth = 340.0
	lineHeight = 24.0
)

// scale puts values on a line, by their logarithms.
type scale struct{ low, high, from, to float64 }

func newScale(values []float64, from, to float64) scale {
	return scale{math.Floor(math.Log10(slices.Min(values) * 0.9)), math.Ceil(math.Log10(slices.Max(values) * 1.1)), from, to}
}

func (s scale) at(value float64) float64 {
	return s.from + (math.Log10(value)-s.low)/(s.high-s.low)*(s.to-s.from)
}

// ticks calls each with the powers of ten.
func (s scale) ticks(each func(value float64)) {
	for e := s.low; e <= s.high; e++ {
		each(math.Pow(10, e))
	}
}

// ratios draws a line for each workload and on it the others' ratios.
func (r *report) ratios(s section) template.HTML {
	values := []float64{1}
	for _, res := range s.Results {
		for _, f := range res.Figures {
			if f.Ratio > 0 {
				values = append(values, f.Ratio)
			}
		}
	}
	x := newScale(values, labelWidth+10, plotWidth-20)
	height := lineHeight*float64(len(s.Results)) + 44
	var b svg
	b.add(`<svg class="plot" viewBox="0 0 %.0f %.0f" role="img" aria-label="%s">`, plotWidth, height, template.HTMLEscapeString(s.title()))
	b.add(`<rect class="slower" x="%.1f" y="20" width="%.1f" height="%.1f"/>`, x.from, x.at(1)-x.from, height-40)
	x.ticks(func(value float64) {
		class := "grid"
		if value == 1 {
			class = "one"
		}
		b.add(`<line class="%s" x1="%.1f" x2="%.1f" y1="20" y2="%.1f"/>`, class, x.at(value), x.at(value), height-20)
		b.text("tick", x.at(value), 14, fmt.Sprintf("%g×", value))
	})
	b.text("tick", x.at(1), height-6, "← Kalam slower | Kalam faster →")
	for i, res := range s.Results {
		y := 20 + lineHeight*(float64(i)+0.5)
		b.text("label", labelWidth, y+4, res.Workload)
		b.add(`<line class="row" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/>`, x.from, x.to, y, y)
		for _, p := range r.Peers {
			if f, ok := res.Figures[p.Name]; ok && f.Ratio > 0 && p.Name != kalamName {
				b.mark(r, p.Name, x.at(f.Ratio), y, fmt.Sprintf("%s: %s, %s", p.Name, res.text(f.Value), ratio(f.Ratio)))
			}
		}
	}
	b.add(`</svg>`)
	return template.HTML(b.String())
}

// growth draws, for workloads that were done with tables of several sizes, times
// over rows.
func (r *report) growth() (plots []template.HTML) {
	byTheme := map[string][]section{}
	for _, s := range r.Sections {
		byTheme[s.Theme] = append(byTheme[s.Theme], s)
	}
	for _, s := range r.Sections {
		all := byTheme[s.Theme]
		delete(byTheme, s.Theme)
		if len(all) < 2 {
			continue
		}
		for i, res := range s.Results {
			plots = append(plots, r.growthOf(res.Workload, all, i))
		}
	}
	return plots
}

func (r *report) growthOf(name string, all []section, index int) template.HTML {
	const width, height = 290.0, 200.0
	var rows, values []float64
	for _, s := range all {
		rows = append(rows, float64(s.Rows))
		for _, f := range s.Results[index].Figures {
			values = append(values, f.Value)
		}
	}
	x := newScale(rows, 46, width-12)
	y := newScale(values, height-22, 26)
	var b svg
	b.add(`<svg class="small" viewBox="0 0 %.0f %.0f" role="img" aria-label="%s">`, width, height, template.HTMLEscapeString(name))
	b.text("title", 4, 13, name)
	y.ticks(func(value float64) {
		b.add(`<line class="grid" x1="46" x2="%.1f" y1="%.1f" y2="%.1f"/>`, width-12, y.at(value), y.at(value))
		b.text("label", 42, y.at(value)+4, all[0].Results[index].text(value))
	})
	for _, count := range rows {
		b.text("tick", x.at(count), height-6, thousands(int(count)))
	}
	for i, p := range r.Peers {
		var line []string
		for _, s := range all {
			if f, ok := s.Results[index].Figures[p.Name]; ok {
				line = append(line, fmt.Sprintf("%.1f,%.1f", x.at(float64(s.Rows)), y.at(f.Value)))
			}
		}
		b.add(`<polyline class="p%d" points="%s"/>`, i, strings.Join(line, " "))
		for _, s := range all {
			if f, ok := s.Results[index].Figures[p.Name]; ok {
				b.mark(r, p.Name, x.at(float64(s.Rows)), y.at(f.Value), p.Name+": "+s.Results[index].text(f.Value))
			}
		}
	}
	b.add(`</svg>`)
	return template.HTML(b.String())
}
