set terminal svg size 628,565 standalone noenhanced font 'sans,12' background '#ffffff'
set encoding utf8
set datafile missing '?'
set border 31 linewidth 0.5 linecolor '#888888'
set tics out nomirror scale 0.5 font 'sans,10' textcolor '#444444'
set format '%.9g'
unset key
set label 1 'it'."'".'s `id`' noenhanced font 'sans,15' at screen 0.5,0.9669 center
set multiplot
set palette defined (0 '#440154', 1 '#472d7b', 2 '#3b528b', 3 '#2c728e', 4 '#21918c', 5 '#28ae80', 6 '#5ec962', 7 '#addc30', 8 '#fde725')
set cbrange [0:120]
set cbtics 10
set label 3 'tokens' noenhanced at screen 0.98408,0.50442 center rotate
set colorbox user origin screen 0.8535,0.11504 size screen 0.019108,0.77876 border
set object 1 rectangle from graph 0,0 to graph 1,1 behind fillcolor rgb '#dddddd' fillstyle solid noborder
$panel0 << EOD
? 32 59 20 20 24 17 32
32 ? 120 35 49 53 45 53
59 120 ? 57 86 71 64 90
20 35 57 ? 23 27 19 19
20 49 86 23 ? 39 23 36
24 53 71 27 39 ? 22 34
17 45 64 19 23 22 ? 31
32 53 90 19 36 34 31 ?
EOD
set lmargin at screen 0.089172
set rmargin at screen 0.78981
set tmargin at screen 0.89381
set bmargin at screen 0.11504
set title 'layer 2' noenhanced offset 0,-0.7
set xlabel 'expert' noenhanced offset 0,0.5
set label 2 'expert' noenhanced at screen 0.019108,0.50442 center rotate
set xtics 0,1
set ytics 0,1
set xrange [-0.5:7.5]
set yrange [7.5:-0.5]
plot $panel0 matrix with image pixels
unset colorbox
unset multiplot
