#include "tools/weir/table.h"

#include <algorithm>
#include <utility>

#include "tools/weir/text_width.h"

namespace weir::tool {
void Table::Add(std::vector<Cell> cells) {
  for (Cell& cell : cells) cell.text = Printable(cell.text);
  cells.resize(columns_.size());
  rows_.push_back(std::move(cells));
}

void Table::Print() const {
  std::vector<size_t> widths;
  for (const Column& column : columns_) widths.push_back(WidthOf(column.title));
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], WidthOf(row[i].text));
  }
  const auto line = [&](const auto& text_of, const auto& style_of) {
    std::string out = " ";
    size_t owed = 0;  // spaces, so that none stand at the end of a line
    for (size_t i = 0; i < columns_.size(); ++i) {
      const std::string& text = text_of(i);
      const size_t pad = widths[i] - WidthOf(text);
      owed += i == 0 ? 1 : 2;
      if (columns_[i].align == Align::kRight) owed += pad;
      if (!text.empty()) {
        out.append(owed, ' ');
        out += Styled(text, style_of(i));
        owed = 0;
      } else if (columns_[i].align == Align::kRight) {
        continue;
      }
      if (columns_[i].align == Align::kLeft) owed += pad;
    }
    Out().Line(out);
  };
  line([&](size_t i) -> const std::string& { return columns_[i].title; }, [](size_t) { return Style::kDim; });
  for (const auto& row : rows_) {
    line([&](size_t i) -> const std::string& { return row[i].text; }, [&](size_t i) { return row[i].style; });
  }
}

}  // namespace weir::tool
